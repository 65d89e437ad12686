package memory_test

import (
	"testing"

	"plumb/feedback"
	"plumb/feedback/feedbacktest"
	"plumb/feedback/memory"
)

func TestLog(t *testing.T) {
	feedbacktest.TestLog(t, func(*testing.T) feedback.Log { return new(memory.Log) })
}
