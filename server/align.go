package server

import (
	"errors"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plumb/chat"
	"plumb/sampler"
)

// methods are the ways to choose a reply.
var methods = sampler.Methods()

func known(method string) bool { return slices.Contains(methods, method) }

// alignSpec says how a reply is to be chosen; nil means that it is not said.
type alignSpec struct {
	method       *string
	n            *int // candidates drawn
	pressure     *float64
	conservatism *float64
	length       *float64
	budgetTokens *int
	deadlineMS   *int
	candidates   *bool // return them
	strict       *bool // refuse rather than downgrade
	seed         *int64
}

// over fills what a leaves open from b. Body is laid over headers, headers over the model's suffix.
func (a alignSpec) over(b alignSpec) alignSpec {
	return alignSpec{
		method: or(a.method, b.method), n: or(a.n, b.n), pressure: or(a.pressure, b.pressure),
		conservatism: or(a.conservatism, b.conservatism), length: or(a.length, b.length),
		budgetTokens: or(a.budgetTokens, b.budgetTokens), deadlineMS: or(a.deadlineMS, b.deadlineMS),
		candidates: or(a.candidates, b.candidates), strict: or(a.strict, b.strict), seed: or(a.seed, b.seed),
	}
}

func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// Ranges of the numbers in an alignSpec; the sampler knows which values a method takes.
const (
	maxPressure     = 1024
	maxConservatism = 100
	maxDeadline     = 24 * 60 * 60 * 1000 // ms
)

// readAlign reads the body's align object.
func readAlign(r *reader, path string, maxN int) (alignSpec, error) {
	var a alignSpec
	err := r.object(path, func(name, path string) error {
		switch name {
		case "method":
			var method string
			if err := r.string(path, &method); err != nil || method == "" {
				return err
			}
			a.method = &method
			return checkMethod(path, method)
		case "n":
			return r.int(path, &a.n, 1, maxN)
		case "pressure":
			return r.float(path, &a.pressure, 0, maxPressure)
		case "conservatism":
			return r.float(path, &a.conservatism, 0, maxConservatism)
		case "length":
			return r.float(path, &a.length, -1, 1)
		case "budget_tokens":
			return r.int(path, &a.budgetTokens, 1, math.MaxInt32)
		case "deadline_ms":
			return r.int(path, &a.deadlineMS, 1, maxDeadline)
		case "candidates":
			return r.bool(path, &a.candidates)
		case "strict":
			return r.bool(path, &a.strict)
		case "seed":
			return r.int64(path, &a.seed)
		}
		return r.unknown(path)
	})
	return a, err
}

// checkMethod tells a method that is not built yet from one that there is not.
func checkMethod(path, method string) error {
	switch {
	case known(method):
		return nil
	case slices.Contains(sampler.Planned(), method):
		return invalid(path, "%s is not built yet, want %s", method, oneOf(methods))
	}
	return invalid(path, "got %s, want %s", quote(method), oneOf(methods))
}

// alignHeaders reads the same from headers: X-Align-Method, X-Align-N, X-Align-Budget-Tokens and so on. Their values are
// JSON but for the method, which needs no quotes; an unknown X-Align header is an error.
func alignHeaders(h http.Header, maxN int) (alignSpec, error) {
	var a alignSpec
	const prefix = "X-Align-"
	for header, values := range h {
		if !strings.HasPrefix(header, prefix) {
			continue
		}
		if len(values) != 1 {
			return a, invalid(header, "given %d times", len(values))
		}
		name := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(header, prefix)), "-", "_")
		value := strings.TrimSpace(values[0])
		if !plain.MatchString(value) {
			return a, invalid(header, "got %s, want a plain value", quote(values[0]))
		}
		if name == "method" {
			value = strconv.Quote(value)
		}
		body := []byte(`{"` + name + `":` + value + `}`)
		if wellFormed(body) != nil {
			return a, invalid(header, "got %s, want a value as in the body's align", quote(values[0]))
		}
		one, err := readAlign(newReader(body), header, maxN)
		if err != nil {
			return a, inHeader(err, header)
		}
		a = a.over(one)
	}
	return a, nil
}

// plain is a number, a truth value or a method's name: what has no structure of its own.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`)

// inHeader words an error about a header: its param is the header's name.
func inHeader(err error, header string) error {
	var e *chat.Error
	if !errors.As(err, &e) {
		return err
	}
	return invalid(header, "%s", strings.TrimPrefix(e.Msg, e.Param+": "))
}

// suffix is what may follow a model's name after an @: a method and perhaps a number.
var suffix = regexp.MustCompile(`^(` + strings.Join(append(sampler.Methods(), sampler.Planned()...), "|") + `)([0-9]+(?:\.[0-9]+)?)?$`)

// guided are the methods of which the number is the pressure.
var guided = []string{"guide"}

// splitModel splits a model's name, as "plumb@bon8" or "plumb@guide0.5", from what the suffix says: the method, and the
// number of candidates, or for guided methods the pressure. An @ that begins no method belongs to the name.
func splitModel(model string, maxN int) (name string, a alignSpec, err error) {
	at := strings.LastIndexByte(model, '@')
	if at < 0 {
		return model, a, nil
	}
	match := suffix.FindStringSubmatch(model[at+1:])
	if match == nil {
		if at > 0 && !strings.ContainsAny(model[at+1:], "/:") {
			return "", a, invalid("model", "%s is no method, want @%s, perhaps with a number as in @bon8", quote(model[at:]), strings.Join(methods, ", @"))
		}
		return model, a, nil
	}
	method, number := match[1], match[2]
	if err := checkMethod("model", method); err != nil {
		return "", a, err
	}
	a.method = &method
	switch {
	case number == "":
	case slices.Contains(guided, method):
		pressure, err := strconv.ParseFloat(number, 64)
		if err != nil || pressure > maxPressure {
			return "", a, invalid("model", "pressure %s, want %s", cut(number), between(0, maxPressure))
		}
		a.pressure = &pressure
	default:
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxN || method == sampler.None && n > 1 {
			return "", a, invalid("model", "%s candidates with %s, want a whole number, %s", cut(number), method, between(1, float64(maxN)))
		}
		a.n = &n
	}
	return model[:at], a, nil
}
