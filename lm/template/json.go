package template

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// jsonWriter writes values as Python's json.dumps(x, ensure_ascii=False) does, which is what transformers puts behind the
// filter tojson: ", " and ": " between things, no HTML escapes, keys in their order.
type jsonWriter struct {
	out    strings.Builder
	indent string // "" for one line
}

func (w *jsonWriter) write(v *exec.Value, depth int) error {
	switch {
	case depth > maxNesting:
		return errNested
	case v == nil || v.IsNil():
		w.out.WriteString("null")
	case v.IsError():
		return v
	case v.IsString():
		w.quote(v.String())
	case v.IsBool():
		w.out.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsInteger():
		w.out.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		w.out.WriteString(v.String())
	case v.IsDict():
		return w.dict(v, depth)
	case v.IsList():
		return w.list(v, depth)
	default:
		return fmt.Errorf("tojson of a %v", reflect.TypeOf(v.Interface()))
	}
	return nil
}

func (w *jsonWriter) list(v *exec.Value, depth int) error {
	n := v.Len()
	if n == 0 {
		w.out.WriteString("[]")
		return nil
	}
	w.out.WriteByte('[')
	for i := range n {
		w.separate(i, depth+1)
		if err := w.write(exec.ToValue(v.Val.Index(i)), depth+1); err != nil {
			return err
		}
	}
	w.line(depth)
	w.out.WriteByte(']')
	return nil
}

func (w *jsonWriter) dict(v *exec.Value, depth int) error {
	items := pairs(v)
	if len(items) == 0 {
		w.out.WriteString("{}")
		return nil
	}
	w.out.WriteByte('{')
	for i, pair := range items {
		w.separate(i, depth+1)
		w.quote(pair.Key.String())
		w.out.WriteString(": ")
		if err := w.write(pair.Value, depth+1); err != nil {
			return err
		}
	}
	w.line(depth)
	w.out.WriteByte('}')
	return nil
}

func (w *jsonWriter) separate(i, depth int) {
	if i > 0 {
		w.out.WriteByte(',')
		if w.indent == "" {
			w.out.WriteByte(' ')
		}
	}
	w.line(depth)
}

func (w *jsonWriter) line(depth int) {
	if w.indent == "" {
		return
	}
	w.out.WriteByte('\n')
	for range depth {
		w.out.WriteString(w.indent)
	}
}

func (w *jsonWriter) quote(s string) {
	w.out.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.out.WriteByte('\\')
			w.out.WriteRune(r)
		case r == '\n':
			w.out.WriteString(`\n`)
		case r == '\r':
			w.out.WriteString(`\r`)
		case r == '\t':
			w.out.WriteString(`\t`)
		case r == '\b':
			w.out.WriteString(`\b`)
		case r == '\f':
			w.out.WriteString(`\f`)
		case r < ' ':
			fmt.Fprintf(&w.out, `\u%04x`, r)
		default:
			w.out.WriteString(string(utf8.AppendRune(nil, r)))
		}
	}
	w.out.WriteByte('"')
}

// pairs returns the entries of a dict in its order; those of a namespace, which has none, sorted.
func pairs(v *exec.Value) []*exec.Pair {
	if d, ok := v.Interface().(*exec.Dict); ok {
		return d.Pairs
	}
	return v.Items()
}
