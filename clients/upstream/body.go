package upstream

import (
	"bufio"
	"io"
	"time"
)

// Reading is body, with the reply marked as begun by its first byte.
func (r *Reply) Reading(body io.Reader) io.Reader { return &beginning{r, body} }

type beginning struct {
	reply *Reply
	body  io.Reader
}

func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.reply.Begin()
	}
	return n, err
}

// Lines reads lines of at most [MaxLine] bytes.
func Lines(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4<<10), MaxLine)
	return s
}

// drainFor is how long Drain waits for the end of a reply whose content is complete.
const drainFor = 100 * time.Millisecond

// Drain reads the few bytes that end a reply, so that its connection can be used again, and closes it. A server that
// does not end it soon loses the connection.
func Drain(body io.ReadCloser) {
	late := time.AfterFunc(drainFor, func() { body.Close() })
	io.Copy(io.Discard, io.LimitReader(body, 4<<10))
	late.Stop()
	body.Close()
}
