package lm

import "strings"

// stopper passes text on until one of the stop sequences appears, and never any of the sequence: what could be the
// beginning of one is held back until it is clear.
type stopper struct {
	stops []string
	held  string
}

// push adds text and returns what may be passed on; found is true once a stop sequence is there, the text before it having
// been returned.
func (s *stopper) push(text string) (pass string, found bool) {
	if len(s.stops) == 0 {
		return text, false
	}
	s.held += text
	first := -1
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		pass, s.held = s.held[:first], ""
		return pass, true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	pass, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return pass, false
}

// flush returns what was held back.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
