package template

import (
	"fmt"
	"strings"
	"time"
)

// strftime writes t in C's format, of which templates use the date part.
func strftime(t time.Time, format string) (string, error) {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04",
		'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05",
	}
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		i++
		strip := i < len(format) && format[i] == '-' // %-d: without the leading zero
		if strip {
			i++
		}
		switch {
		case i < len(format) && format[i] == '%':
			out.WriteByte('%')
		case i < len(format) && layouts[format[i]] != "":
			text := t.Format(layouts[format[i]])
			if strip {
				text = strings.TrimLeft(text, "0 ")
			}
			out.WriteString(text)
		default:
			return "", fmt.Errorf("strftime_now(%.40q): unknown field at byte %d", format, i)
		}
	}
	return out.String(), nil
}
