package template

import (
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// statements are the {% … %} that chat templates use, each of which counts against the budget. Those that read other
// templates (include, import, from, extends, block) are left out.
func statements() *exec.ControlStructureSet {
	set := make(map[string]parser.ControlStructureParser)
	for _, name := range []string{"if", "break", "continue"} {
		set[name] = counted(builtin(name), nil)
	}
	set["for"] = counted(parseFor, nil)
	set["macro"] = counted(parseMacro, guardMacro)
	set["set"] = parseSet
	set["generation"] = counted(parseGeneration, nil)
	return exec.NewControlStructureSet(set)
}

func builtin(name string) parser.ControlStructureParser {
	parse, ok := builtins.ControlStructures.Get(name)
	if !ok {
		panic("template: the library has no statement " + name)
	}
	return parse
}

// statement runs another one within the budget.
type statement struct {
	exec.ControlStructure
	after func(r *exec.Renderer) error // nil for nothing
}

func counted(parse parser.ControlStructureParser, after func(exec.ControlStructure) func(*exec.Renderer) error) parser.ControlStructureParser {
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		node, err := parse(p, args)
		if err != nil {
			return nil, err
		}
		inner, ok := node.(exec.ControlStructure)
		if !ok {
			return nil, fmt.Errorf("a %T cannot be run", node)
		}
		s := &statement{ControlStructure: inner}
		if after != nil {
			s.after = after(inner)
		}
		return s, nil
	}
}

func (s *statement) Execute(r *exec.Renderer, tag *nodes.ControlStructureBlock) error {
	b := budgetOf(r)
	if err := b.step(); err != nil {
		return err
	}
	if b.depth >= maxDepth {
		return b.fail("more than %d statements inside each other", maxDepth)
	}
	b.depth++
	defer func() { b.depth-- }()
	if err := s.ControlStructure.Execute(r, tag); err != nil {
		return err
	}
	if s.after != nil {
		return s.after(r)
	}
	return nil
}

// parseFor bounds the items of a loop and counts its rounds.
func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	node, err := builtin("for")(p, args)
	if err != nil {
		return nil, err
	}
	loop := node.(*controls.ForControlStructure)
	if loop.Recursive {
		return nil, fmt.Errorf("line %d: recursive loops are not supported", loop.Position().Line)
	}
	loop.ObjectEvaluator = &nodes.FilteredExpression{
		Expression: loop.ObjectEvaluator,
		Filters:    []*nodes.FilterCall{{Token: loop.Position(), Name: itemsFilter}},
	}
	round := &nodes.ControlStructureBlock{Location: loop.Position(), Name: "for", ControlStructure: round{loop.Position()}}
	loop.BodyWrapper.Nodes = append([]nodes.Node{round}, loop.BodyWrapper.Nodes...)
	return loop, nil
}

// itemsFilter is the name of the filter that bounds the items of a loop. No template can write this name.
const itemsFilter = "\x00items"

func filterItems(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	v, _ := e.Environment.Context.Get(budgetKey)
	b := v.(*budget)
	switch {
	case in.IsError():
		return in
	case in.IsNil():
		return exec.AsValue(list{}) // undefined is empty in Jinja; the library does not tell it from none
	case in.IsString():
		return exec.AsValue(characters(in.String())) // the library would take bytes
	case !in.IsIterable():
		return exec.AsValue(b.fail("a loop over %.40q, which is no list", in.String()))
	case in.Len() > maxItems:
		return exec.AsValue(b.fail("a loop over %d items; at most %d are allowed", in.Len(), maxItems))
	}
	return in
}

func characters(text string) list {
	var out list
	for _, r := range text {
		out = append(out, string(r))
	}
	return out
}

// round counts one round of a loop.
type round struct{ at *tokens.Token }

func (n round) Position() *tokens.Token { return n.at }
func (n round) String() string          { return "round" }
func (n round) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return budgetOf(r).step()
}

// parseMacro bounds what a macro's body writes.
func parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	node, err := builtin("macro")(p, args)
	if err != nil {
		return nil, err
	}
	macro := node.(*controls.MacroControlStructure)
	body := *macro.Wrapper
	macro.Wrapper.Nodes = []nodes.Node{&nodes.ControlStructureBlock{
		Location: macro.Location, Name: "macro", ControlStructure: &captured{at: macro.Location, body: &body},
	}}
	return macro, nil
}

// guardMacro puts a function that counts its calls in the place of the macro's own.
func guardMacro(s exec.ControlStructure) func(*exec.Renderer) error {
	name := s.(*controls.MacroControlStructure).Name
	return func(r *exec.Renderer) error {
		v, _ := r.Environment.Context.Get(name)
		macro := v.(exec.Macro)
		b := budgetOf(r)
		r.Environment.Context.Set(name, exec.Macro(func(args *exec.VarArgs) *exec.Value {
			if err := b.call(args); err != nil {
				return exec.AsValue(err)
			}
			defer func() { b.calls-- }()
			return macro(args)
		}))
		return nil
	}
}

// call counts a macro call and its arguments. The caller takes one off calls when it is over.
func (b *budget) call(args *exec.VarArgs) error {
	if err := b.step(); err != nil {
		return err
	}
	if b.calls >= maxCalls {
		return b.fail("more than %d macros inside each other", maxCalls)
	}
	for _, arg := range args.Args {
		if err := b.allow(arg); err != nil {
			return err
		}
	}
	for _, arg := range args.KwArgs {
		if err := b.allow(arg); err != nil {
			return err
		}
	}
	b.calls++
	return nil
}

// captured is a body whose text becomes a value: it may write as much as a value may hold.
type captured struct {
	at   *tokens.Token
	body *nodes.Wrapper
	name string // variable to set, or "" to write on
}

func (c *captured) Position() *tokens.Token { return c.at }
func (c *captured) String() string          { return "body" }

func (c *captured) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	b := budgetOf(r)
	sub := r.Inherit()
	if c.name == "" {
		sub.Output = b.writer(r.Output, b.value)
		return nodes.Walk(sub, c.body)
	}
	var text strings.Builder
	sub.Output = b.writer(&text, b.value)
	if err := nodes.Walk(sub, c.body); err != nil {
		return err
	}
	r.Environment.Context.Set(c.name, text.String())
	return nil
}

// parseSet parses {% set x = … %} and {% set x %}…{% endset %}, and bounds the value.
func parseSet(p, args *parser.Parser) (nodes.ControlStructure, error) {
	first := args.Current(tokens.Name)
	if first == nil {
		return nil, args.Error("want a name after set", args.Current())
	}
	name := first.Val
	if args.Stream().Peek().Type == tokens.Assign || args.Stream().Peek().Type == tokens.Dot {
		return counted(builtin("set"), func(exec.ControlStructure) func(*exec.Renderer) error {
			return func(r *exec.Renderer) error {
				value, _ := r.Environment.Context.Get(name)
				return budgetOf(r).allow(value)
			}
		})(p, args)
	}
	args.Consume()
	if !args.End() {
		return nil, args.Error("want = or nothing after the name", args.Current())
	}
	body, _, err := p.WrapUntil("endset")
	if err != nil {
		return nil, err
	}
	return &statement{ControlStructure: &captured{at: first, body: body, name: name}}, nil
}

// parseGeneration parses {% generation %}…{% endgeneration %}, with which transformers marks what the model wrote. It
// changes nothing in the text.
func parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	at := p.Current()
	if !args.End() {
		return nil, args.Error("generation takes no arguments", args.Current())
	}
	body, _, err := p.WrapUntil("endgeneration")
	if err != nil {
		return nil, err
	}
	return &generation{at, body}, nil
}

type generation struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

func (g *generation) Position() *tokens.Token { return g.at }
func (g *generation) String() string          { return "generation" }
func (g *generation) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.ExecuteIfWrapper(g.body)
}
