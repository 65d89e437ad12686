package template

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// What a template's text may hold. The library evaluates an expression in one go, so what one expression can make is bounded
// here: by its length, and by refusing to repeat a text many times.
const (
	maxSource   = 128 << 10 // bytes; the longest known template has 30 kB
	maxTokens   = 512       // tokens of one tag
	maxBrackets = 32        // brackets inside brackets
	maxRepeat   = 128       // the right side of *
)

// check refuses a template that could make too much of itself, and Jinja that the library would misread.
func check(source string, cfg *config.Config) error {
	if len(source) > maxSource {
		return fmt.Errorf("it has %d bytes; at most %d are allowed", len(source), maxSource)
	}
	if strings.ContainsRune(source, 0) {
		return fmt.Errorf("it holds a zero byte")
	}
	var tag []*tokens.Token
	stream := tokens.LexAll(source, cfg)
	for !stream.End() {
		t := stream.Next()
		switch t.Type {
		case tokens.Error:
			return fmt.Errorf("line %d: %.200s", t.Line, t.Val)
		case tokens.BlockBegin, tokens.VariableBegin:
			tag = tag[:0]
		case tokens.BlockEnd, tokens.VariableEnd:
			if err := checkTag(tag); err != nil {
				return fmt.Errorf("line %d: %w", t.Line, err)
			}
			tag = tag[:0]
		default:
			tag = append(tag, t)
		}
	}
	return checkTag(tag)
}

// checkTag looks at the tokens between {{ and }}, or {% and %}.
func checkTag(tag []*tokens.Token) error {
	if len(tag) > maxTokens {
		return fmt.Errorf("a tag has %d tokens; at most %d are allowed", len(tag), maxTokens)
	}
	depth, products := 0, 0
	for i, t := range tag {
		switch t.Type {
		case tokens.LeftParenthesis, tokens.LeftBracket, tokens.LeftBrace:
			if depth++; depth > maxBrackets {
				return fmt.Errorf("more than %d brackets inside each other", maxBrackets)
			}
		case tokens.RightParenthesis, tokens.RightBracket, tokens.RightBrace:
			depth--
		case tokens.Name:
			if t.Val == "if" && depth > 0 {
				return fmt.Errorf("an if inside brackets is not supported; set a variable before")
			}
		case tokens.Multiply:
			if i > 0 && (tag[i-1].Type == tokens.LeftParenthesis || tag[i-1].Type == tokens.Comma) {
				continue // *args of a macro
			}
			if products++; products > 1 || i+1 == len(tag) || !smallNumber(tag[i+1]) {
				return fmt.Errorf("the operator * is allowed once in a tag, and with a number up to %d on its right", maxRepeat)
			}
		}
	}
	return nil
}

func smallNumber(t *tokens.Token) bool {
	n, err := strconv.Atoi(t.Val)
	return t.Type == tokens.Integer && err == nil && n <= maxRepeat
}
