package rm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
)

// fingerprint is a hash of what the lexical features make of a few texts, rounded so that it does not depend on the last
// bit of a logarithm.
func fingerprint(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	l := NewLexical(0)
	for _, reply := range []string{
		"", "Sure, here are two ideas:\n\n1. **Walk** a lot!\n2. Don't sit; see https://example.org (really).",
		"I'm sorry, but I cannot help with that. However, perhaps you could ask a doctor?",
		"```go\nfmt.Println(\"你好\")\n```\nFor example, NASA says 3.5 °C… because it’s hot 🙂",
	} {
		err := l.Extract(context.Background(), ask("How do I stay healthy? Give two ideas."), []string{reply}, func(_ int, r Row) {
			for _, x := range r.Dense {
				fmt.Fprintf(h, "%.6f ", x)
			}
			for i, column := range r.Index {
				fmt.Fprintf(h, "%d:%.4f ", column, r.Value[i])
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:2])
}
