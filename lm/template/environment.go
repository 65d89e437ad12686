package template

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// newEnvironment is what chat templates use of Jinja. What could blow up a value is bounded here or left out; what the library
// does unlike Python is replaced.
func newEnvironment() *exec.Environment {
	namespace, _ := builtins.GlobalFunctions.Get("namespace")
	return &exec.Environment{
		Context: exec.NewContext(map[string]any{
			"namespace": namespace,
			"range":     numbers,
			"true":      true, "True": true, "false": false, "False": false, "none": nil, "None": nil,
		}),
		Filters:           filters(),
		Tests:             builtins.Tests,
		ControlStructures: statements(),
		Methods:           methods(),
	}
}

// numbers is the function range.
func numbers(_ *exec.Evaluator, args *exec.VarArgs) (list, error) {
	bounds := []int{0, 0, 1}
	for i, arg := range args.Args {
		if i >= len(bounds) || !arg.IsInteger() {
			return nil, fmt.Errorf("range takes one to three integers")
		}
		bounds[i] = arg.Integer()
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if len(args.Args) == 1 {
		start, stop = 0, bounds[0]
	}
	if step == 0 || len(args.Args) == 0 {
		return nil, fmt.Errorf("range takes one to three integers, the step not 0")
	}
	out := list{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(out) == maxRange {
			return nil, fmt.Errorf("range of more than %d numbers", maxRange)
		}
		out = append(out, i)
	}
	return out, nil
}

func filters() *exec.FilterSet {
	set := make(map[string]exec.FilterFunction)
	for name := range strings.FieldsSeq(`abs attr capitalize count d default e escape first float int items last length
		list lower map max min reject rejectattr reverse round safe select selectattr sort string title trim upper wordcount`) {
		set[name] = listed(name)
	}
	set[itemsFilter] = filterItems
	set["tojson"] = filterJSON
	set["join"] = filterJoin
	set["replace"] = filterReplace
	set["indent"] = filterIndent
	set["dictsort"] = filterDictSort
	set["items"] = func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value { return exec.AsValue(entries(in)) }
	return exec.NewFilterSet(set)
}

// listed is a filter of the library whose result, where it is a list, can be indexed from the end.
func listed(name string) exec.FilterFunction {
	filter, ok := builtins.Filters.Get(name)
	if !ok {
		panic("template: the library has no filter " + name)
	}
	return func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
		out := filter(e, in, args)
		if out.IsError() || !out.IsList() {
			return out
		}
		return exec.AsValue(toList(out.Val))
	}
}

func toList(v reflect.Value) list {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	out := make(list, v.Len())
	for i := range out {
		out[i] = v.Index(i).Interface()
	}
	return out
}

func filterJSON(_ *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	var w jsonWriter
	if v, ok := args.KwArgs["indent"]; ok && v.IsInteger() {
		n := v.Integer()
		if n < 0 || n > 16 {
			return exec.AsValue(fmt.Errorf("tojson with indent %d; want 0 to 16", n))
		}
		w.indent = strings.Repeat(" ", n)
	}
	if err := w.write(in, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsValue(w.out.String())
}

// filterDictSort sorts the entries of a dict by their keys.
func filterDictSort(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	out := entries(in)
	slices.SortStableFunc(out, func(a, b any) int {
		return strings.Compare(strings.ToLower(key(a)), strings.ToLower(key(b)))
	})
	return exec.AsValue(out)
}

func key(entry any) string { return exec.ToValue(entry.(list)[0]).String() }

func filterJoin(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	separator := ""
	if len(args.Args) > 0 {
		separator = args.Args[0].String()
	}
	if err := allowBytes(e, len(separator)*in.Len()); err != nil {
		return exec.AsValue(err)
	}
	join, _ := builtins.Filters.Get("join")
	return join(e, in, args)
}

func filterReplace(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	if len(args.Args) < 2 {
		return exec.AsValue(fmt.Errorf("replace takes two texts"))
	}
	text, old, new := in.String(), args.Args[0].String(), args.Args[1].String()
	if err := allowBytes(e, len(text)+strings.Count(text, old)*len(new)); err != nil {
		return exec.AsValue(err)
	}
	n := -1
	if len(args.Args) > 2 {
		n = args.Args[2].Integer()
	}
	return exec.AsValue(strings.Replace(text, old, new, n))
}

func filterIndent(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	for _, arg := range args.Args {
		if arg.IsInteger() && (arg.Integer() < 0 || arg.Integer() > 16) || arg.IsString() && len(arg.String()) > 16 {
			return exec.AsValue(fmt.Errorf("indent by more than 16"))
		}
	}
	if v, ok := args.KwArgs["width"]; ok && (!v.IsInteger() || v.Integer() < 0 || v.Integer() > 16) {
		return exec.AsValue(fmt.Errorf("indent by more than 16"))
	}
	indent, _ := builtins.Filters.Get("indent")
	return indent(e, in, args)
}

// allowBytes fails where a filter would make a text that is too large.
func allowBytes(e *exec.Evaluator, n int) error {
	v, _ := e.Environment.Context.Get(budgetKey)
	if b := v.(*budget); n > b.value {
		return b.fail("a value %w", errLarge)
	}
	return nil
}

func methods() exec.Methods {
	return exec.Methods{
		Bool: exec.NewMethodSet(map[string]exec.Method[bool]{}), Int: exec.NewMethodSet(map[string]exec.Method[int]{}),
		Float: exec.NewMethodSet(map[string]exec.Method[float64]{}),
		Str:   textMethods(),
		Dict: exec.NewMethodSet(map[string]exec.Method[map[string]any]{
			"items": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) { return entries(self), nil },
			"keys":  func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) { return column(self, 0), nil },
			"values": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) {
				return column(self, 1), nil
			},
			"get": get,
		}),
		// No append: the library would change a copy, in silence. Templates can write {% set l = l + [x] %}.
		List: exec.NewMethodSet(map[string]exec.Method[[]any]{}),
	}
}

// entries are the (key, value) pairs of a dict in its order.
func entries(v *exec.Value) list {
	out := list{}
	if !v.IsDict() {
		return out
	}
	for _, pair := range pairs(v) {
		out = append(out, list{pair.Key, pair.Value})
	}
	return out
}

func column(v *exec.Value, i int) list {
	out := entries(v)
	for j, entry := range out {
		out[j] = entry.(list)[i]
	}
	return out
}

func get(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
	if len(args.Args) == 0 || len(args.Args) > 2 {
		return nil, fmt.Errorf("get takes a key and a default")
	}
	if v, ok := self.GetItem(args.Args[0].String()); ok {
		return v.Interface(), nil
	}
	if len(args.Args) == 2 {
		return args.Args[1].Interface(), nil
	}
	return nil, nil
}
