package template

import (
	"fmt"
	"strconv"
	"strings"
)

// What a template's text may hold. The library evaluates an expression in one go, so what one expression can make is bounded
// here: by its length, and by refusing to repeat a text many times.
const (
	maxSource   = 128 << 10 // bytes; the longest known template has 30 kB
	maxTokens   = 512       // tokens of one tag
	maxBrackets = 32        // brackets inside brackets
	maxRepeat   = 128       // the right side of *
)

func checkSource(source string) error {
	if len(source) > maxSource {
		return fmt.Errorf("it has %d bytes; at most %d are allowed", len(source), maxSource)
	}
	if strings.ContainsRune(source, 0) {
		return fmt.Errorf("it holds a zero byte")
	}
	return nil
}

// checkParts refuses tags that could make too much of themselves.
func checkParts(parts []part) error {
	for _, p := range parts {
		if err := checkTag(p.tokens); err != nil {
			return fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	return nil
}

// checkTag looks at the tokens between {{ and }}, or {% and %}.
func checkTag(tokens []lexeme) error {
	if len(tokens) > maxTokens {
		return fmt.Errorf("a tag has %d tokens; at most %d are allowed", len(tokens), maxTokens)
	}
	depth, products := 0, 0
	for i, t := range tokens {
		if t.kind != operatorToken {
			continue
		}
		if depth += bracket(t.text); depth > maxBrackets {
			return fmt.Errorf("more than %d brackets inside each other", maxBrackets)
		}
		if t.text != "*" || i > 0 && (tokens[i-1].is("(") || tokens[i-1].is(",")) { // but for *args of a macro
			continue
		}
		if products++; products > 1 || i+1 == len(tokens) || !smallNumber(tokens[i+1]) {
			return fmt.Errorf("the operator * is allowed once in a tag, and with a number up to %d on its right", maxRepeat)
		}
	}
	return nil
}

func smallNumber(t lexeme) bool {
	n, err := strconv.Atoi(t.text)
	return t.kind == integerToken && err == nil && n <= maxRepeat
}
