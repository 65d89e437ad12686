package template

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// textMethods are Python's str methods that templates use. The library's own are replaced where they differ from
// Python's: for missing arguments, empty texts and characters beyond ASCII.
func textMethods() *exec.MethodSet[string] {
	text := make(map[string]exec.Method[string])
	for name := range strings.FieldsSeq(`capitalize isalnum isalpha isdecimal isdigit islower isnumeric isspace istitle isupper lower
		rsplit splitlines title upper`) {
		method, ok := builtins.Methods.Str.Get(name)
		if !ok {
			panic("template: the library has no method " + name)
		}
		text[name] = func(self string, v *exec.Value, args *exec.VarArgs) (any, error) {
			out, err := method(self, v, args)
			if parts, ok := out.([]string); ok {
				return toList(reflect.ValueOf(parts)), err
			}
			return out, err
		}
	}
	text["strip"] = stripper(strings.Trim, strings.TrimFunc)
	text["lstrip"] = stripper(strings.TrimLeft, strings.TrimLeftFunc)
	text["rstrip"] = stripper(strings.TrimRight, strings.TrimRightFunc)
	text["startswith"] = tester(strings.HasPrefix)
	text["endswith"] = tester(strings.HasSuffix)
	text["removeprefix"] = remover(strings.TrimPrefix)
	text["removesuffix"] = remover(strings.TrimSuffix)
	text["find"] = finder(strings.Index)
	text["rfind"] = finder(strings.LastIndex)
	text["split"] = split
	text["replace"] = replace
	return exec.NewMethodSet(text)
}

// tester is startswith or endswith; the argument may be a tuple of texts.
func tester(test func(text, with string) bool) exec.Method[string] {
	return func(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) != 1 {
			return nil, fmt.Errorf("startswith and endswith take one argument")
		}
		if !args.Args[0].IsList() {
			return test(text, args.Args[0].String()), nil
		}
		for _, with := range toList(args.Args[0].Val) {
			if test(text, exec.ToValue(with).String()) {
				return true, nil
			}
		}
		return false, nil
	}
}

func remover(remove func(text, part string) string) exec.Method[string] {
	return func(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) != 1 {
			return nil, fmt.Errorf("removeprefix and removesuffix take one argument")
		}
		return remove(text, args.Args[0].String()), nil
	}
}

func finder(index func(text, part string) int) exec.Method[string] {
	return func(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) != 1 {
			return nil, fmt.Errorf("find and rfind take one argument")
		}
		i := index(text, args.Args[0].String())
		if i < 0 {
			return i, nil
		}
		return utf8.RuneCountInString(text[:i]), nil
	}
}

func stripper(set func(string, string) string, where func(string, func(rune) bool) string) exec.Method[string] {
	return func(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) > 0 && !args.Args[0].IsNil() {
			return set(text, args.Args[0].String()), nil
		}
		return where(text, unicode.IsSpace), nil
	}
}

func split(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	n := -1
	if len(args.Args) > 1 && args.Args[1].Integer() >= 0 {
		n = args.Args[1].Integer() + 1
	}
	var parts []string
	switch {
	case len(args.Args) == 0 || args.Args[0].IsNil():
		parts = strings.Fields(text)
	case args.Args[0].String() == "":
		return nil, fmt.Errorf("split at an empty text")
	default:
		parts = strings.SplitN(text, args.Args[0].String(), n)
	}
	out := make(list, len(parts))
	for i, part := range parts {
		out[i] = part
	}
	return out, nil
}

func replace(text string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	if len(args.Args) < 2 {
		return nil, fmt.Errorf("replace takes two texts")
	}
	old, new := args.Args[0].String(), args.Args[1].String()
	if grown := strings.Count(text, old) * len(new); grown > 4*len(text)+spareValue {
		return nil, fmt.Errorf("replace makes %d bytes of %d", grown, len(text))
	}
	return strings.ReplaceAll(text, old, new), nil
}
