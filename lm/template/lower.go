package template

import (
	"strings"
)

// lower writes the parts of a template as the library shall read them: white space already taken away, strings in
// escapes that it knows, and each inline if, of which it knows only the plainest, by and, or and a list:
//
//	A if C else B   →   ((C) and [A] or [B]) | first
//
// A tag stands on the line on which it stood, so that errors name the right one.
func lower(parts []part) string {
	var out strings.Builder
	line := 1
	for _, p := range parts {
		if p.open == "" {
			line += strings.Count(p.text, "\n")
			writeText(&out, p.text)
			continue
		}
		if p.line > line {
			out.WriteString("{#" + strings.Repeat("\n", p.line-line) + "#}")
			line = p.line
		}
		out.WriteString(p.open + " ")
		writeTokens(&out, lowerTag(p))
		if p.open == "{{" {
			out.WriteString(" }}")
		} else {
			out.WriteString(" %}")
		}
	}
	return out.String()
}

// writeText writes text; where it could begin a tag, as a string.
func writeText(out *strings.Builder, text string) {
	for {
		i := nextTag(text)
		if i < 0 {
			break
		}
		out.WriteString(text[:i])
		out.WriteString("{{ " + quoted(text[i:i+1]) + " }}")
		text = text[i+1:]
	}
	if strings.HasSuffix(text, "{") {
		out.WriteString(text[:len(text)-1] + "{{ '{' }}")
		return
	}
	out.WriteString(text)
}

func writeTokens(out *strings.Builder, tokens []lexeme) {
	for i, t := range tokens {
		if i > 0 && (t.space || adjoining(tokens[i-1], t)) {
			out.WriteByte(' ')
		}
		if t.kind == stringToken {
			out.WriteString(quoted(t.text))
			continue
		}
		out.WriteString(t.text)
	}
}

// adjoining reports whether two tokens would become one, or the end of a tag, without a space between them.
func adjoining(a, b lexeme) bool {
	word := func(t lexeme) bool { return t.kind != operatorToken }
	return word(a) && word(b) || a.is("}") && b.is("}") || a.is("{") && b.kind == operatorToken || a.is("%") && b.is("}")
}

func lowerTag(p part) []lexeme {
	tokens := p.tokens
	if p.open == "{{" {
		return lowerList(tokens)
	}
	if len(tokens) > 2 && tokens[0].name("set") {
		for i, t := range tokens {
			if t.is("=") {
				return append(tokens[:i+1:i+1], lowerList(tokens[i+1:])...)
			}
		}
	}
	return lowerBrackets(tokens) // the if of a for is no inline if
}

// lowerList lowers what stands between commas, colons and the = of arguments.
func lowerList(tokens []lexeme) []lexeme {
	var out []lexeme
	start, depth := 0, 0
	for i, t := range tokens {
		if t.kind != operatorToken {
			continue
		}
		depth += bracket(t.text)
		if depth == 0 && (t.text == "," || t.text == ":" || t.text == "=") {
			out = append(append(out, lowerExpression(tokens[start:i])...), t)
			start = i + 1
		}
	}
	return append(out, lowerExpression(tokens[start:])...)
}

// lowerExpression lowers one expression, with what is in its brackets.
func lowerExpression(tokens []lexeme) []lexeme {
	i := keyword(tokens, "if")
	if i < 0 {
		return lowerBrackets(tokens)
	}
	value, rest := tokens[:i], tokens[i+1:]
	condition, otherwise := rest, []lexeme{{kind: nameToken, text: "none"}}
	if j := keyword(rest, "else"); j >= 0 {
		condition, otherwise = rest[:j], lowerExpression(rest[j+1:])
	}
	var out []lexeme
	add := func(tokens ...lexeme) { out = append(out, tokens...) }
	op := func(text string) lexeme { return lexeme{kind: operatorToken, text: text, space: true} }
	word := func(text string) lexeme { return lexeme{kind: nameToken, text: text, space: true} }
	add(op("("), op("("), op("("))
	add(lowerBrackets(condition)...)
	add(op(")"), word("and"), op("["))
	add(lowerBrackets(value)...)
	add(op("]"), word("or"), op("["))
	add(otherwise...)
	add(op("]"), op(")"), op("|"), word("first"), op(")"))
	return out
}

// keyword returns where a keyword stands outside brackets, −1 if nowhere.
func keyword(tokens []lexeme, name string) int {
	depth, nested := 0, 0
	for i, t := range tokens {
		switch {
		case t.kind == operatorToken:
			depth += bracket(t.text)
		case depth > 0 || i > 0 && tokens[i-1].is("."):
		case name == "else" && t.name("if"):
			nested++
		case t.name(name) && nested > 0:
			nested--
		case t.name(name):
			return i
		}
	}
	return -1
}

// lowerBrackets lowers what is in the brackets of an expression.
func lowerBrackets(tokens []lexeme) []lexeme {
	var out []lexeme
	for i := 0; i < len(tokens); i++ {
		out = append(out, tokens[i])
		if tokens[i].kind != operatorToken || bracket(tokens[i].text) <= 0 {
			continue
		}
		depth, end := 1, i+1
		for end < len(tokens) {
			if tokens[end].kind == operatorToken {
				depth += bracket(tokens[end].text)
			}
			if depth == 0 {
				break
			}
			end++
		}
		out = append(out, lowerList(tokens[i+1:end])...)
		i = end - 1 // the closing bracket comes next
	}
	return out
}
