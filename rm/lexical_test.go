package rm

import (
	"context"
	"strings"
	"testing"

	"plumb/chat"
)

func BenchmarkLexical(b *testing.B) {
	l := NewLexical(0)
	reply := strings.Repeat("Here are three tips, for example: go to bed early, don't drink coffee after noon, and keep the room dark.\n", 8)
	for i := range 60 {
		reply += " word" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	prompt := []chat.Message{{Role: chat.User, Content: "How can I sleep better at night?"}}
	replies := []string{reply, reply, reply, reply, reply, reply, reply, reply}
	b.ReportAllocs()
	for b.Loop() {
		l.Extract(context.Background(), prompt, replies, func(int, Row) {})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/8, "µs/reply")
}
