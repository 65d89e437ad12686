package sqlite

import (
	"context"
	"fmt"
)

// LimitPages lets the file have n pages at most, until release is called.
func LimitPages(s *Store, n int) (release func()) {
	set := func(n int) {
		done := make(chan struct{})
		s.writer.jobs <- &job{ctx: context.Background(), done: done, run: func(t *tx) error {
			return t.exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
		}}
		<-done
	}
	set(n)
	return func() { set(1 << 30) }
}
