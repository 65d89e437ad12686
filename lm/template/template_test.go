package template

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
)

// golden holds what jinja2, set up as in transformers, made of 13 conversations and 11 templates.
type golden struct {
	Messages  map[string][]chat.Message
	Templates []struct {
		Name, Template string
		BOS            string `json:"bos_token"`
		EOS            string `json:"eos_token"`
		Cases          []struct {
			Case            string
			Plain           string
			PlainError      string `json:"plain_error"`
			Generation      string
			GenerationError string `json:"generation_error"`
			Prefill         string
		}
	}
}

func loadGolden(t testing.TB) (g golden) {
	t.Helper()
	read(t, "chat_templates", &g)
	return g
}

func read(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	g := loadGolden(t)
	n := 0
	for _, tmpl := range g.Templates {
		parsed, err := New(tmpl.Template, tmpl.BOS, tmpl.EOS)
		if err != nil {
			t.Errorf("%s: %v", tmpl.Name, err)
			continue
		}
		for _, c := range tmpl.Cases {
			for _, want := range []struct {
				generation  bool
				text, error string
			}{{false, c.Plain, c.PlainError}, {true, c.Generation, c.GenerationError}} {
				n++
				got, err := parsed.Render(g.Messages[c.Case], nil, want.generation)
				if want.error != "" {
					if chat.KindOf(err) != chat.Invalid || !strings.HasSuffix(err.Error(), want.error) {
						t.Errorf("%s, %s: error %v, want %q", tmpl.Name, c.Case, err, want.error)
					}
					continue
				}
				if err != nil || got != want.text {
					t.Errorf("%s, %s, generation %v:\n got %q, %v\nwant %q", tmpl.Name, c.Case, want.generation, got, err, want.text)
				}
			}
		}
	}
	if n != 2*13*11 {
		t.Errorf("%d cases, want %d", n, 2*13*11)
	}
}

// TestMoreTemplates compares with jinja2 on templates of newer models, with tools and tool calls.
func TestMoreTemplates(t *testing.T) {
	var more struct {
		Cases []struct {
			Name     string
			Messages []chat.Message
			Tools    json.RawMessage
		}
		Templates []struct {
			Name, Source string
			Results      []struct{ Text, Error string } // of each case without and with the generation prompt
		}
	}
	read(t, "more_templates", &more)
	compared := 0
	for _, tmpl := range more.Templates {
		parsed, err := New(tmpl.Source, "<s>", "</s>")
		if err != nil {
			t.Errorf("%s: %v", tmpl.Name, err)
			continue
		}
		parsed.Now = func() time.Time { return time.Date(2026, 11, 5, 7, 3, 0, 0, time.UTC) }
		for i, want := range tmpl.Results {
			c := more.Cases[i/2]
			got, err := parsed.Render(c.Messages, c.Tools, i%2 == 1)
			if want.Error != "" {
				continue // jinja2 is stricter about what is undefined
			}
			compared++
			if err != nil || got != want.Text {
				t.Errorf("%s, %s:\n got %q, %v\nwant %q", tmpl.Name, c.Name, got, err, want.Text)
			}
		}
	}
	if compared < 300 {
		t.Errorf("only %d texts compared", compared)
	}
}

// messages is a conversation with all fields.
var messages = []chat.Message{
	{Role: "system", Content: "Be kind."},
	{Role: "user", Content: "Hello"},
	{Role: "assistant", ToolCalls: json.RawMessage(`[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"b\": 1, \"a\": [true, null, 2.50]}"}}]`)},
	{Role: "tool", Content: "é<&>", ToolCallID: "c1", Name: "f"},
}

const tools = `[{"type":"function","function":{"name":"f","description":"It's \"x\" <b>\n","parameters":{"z":1,"a":{"k":[1.0,1e20,-3,false]}}}}]`

// What gonja and jinja2 might do differently. The wanted texts are jinja2 3.1's.
func TestJinja(t *testing.T) {
	for _, test := range []struct{ source, want string }{
		{`{{ 'a' if x else 'b' }}`, "b"},
		{`{{ messages[-1].role }}{{ messages[:1][-1].role }}`, "toolsystem"},
		{`{{ (messages | selectattr('role', 'equalto', 'user') | list)[-1].content }}`, "Hello"},
		{`{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}`, "taus"},
		{`{% for m in messages[1:] if m.role == 'user' %}{{ loop.index }}{{ m.content }}{% else %}none{% endfor %}`, "1Hello"},
		{`{% set ns = namespace(n=1, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ m.role[0] %}{% endfor %}{{ ns.n }}{{ ns.s }}`, "5suat"},
		{`{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{% endfor %}{{ x }}`, "1"},
		{`{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}`, "2"},
		{`{{ 'a,b'.split(',')[-1] }}{{ '</t>x'.split('</t>')[-1] }}{{ ' a  b '.split() | join('-') }}{{ 'a.b.c'.split('.', 1)[-1] }}`, "bxa-bb.c"},
		{`{{ '\n x \n'.strip() }}|{{ '\n x'.lstrip('\n') }}|{{ 'xy'.rstrip('y') }}|{{ ' z'.lstrip() }}`, "x| x|x|z"},
		{`{{ 'a\nb'.splitlines()[-1] }}{{ 'Hello'.startswith('He') }}{{ 'Hello'.endswith('q') }}{{ 'aXa'.replace('a', 'bb') }}`, "bTrueFalsebbXbb"},
		{`{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=3) }}`, "1-21-3"},
		{`{{ {'z': 1, 'b': [1, 2.5, none, true], 'c': {}} | tojson }}`, `{"z": 1, "b": [1, 2.5, null, true], "c": {}}`},
		{`{{ 'x<y>&\'é"\\' | tojson }}`, `"x<y>&'é\"\\"`},
		{`{{ ('a' if x else 'b') + 'c' }}{{ 'd' if not x else 'e' if x else 'f' }}{{ 'g' if x else 'h' if x else 'i' }}{{ 'j' if x }}`, "bcdi"},
		{`{% macro f(a, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ f(1 if x else 2, b='x' if not x else 'y') }}{{ [1 if x else 2, 3] }}{{ {'k': 'v' if not x}['k'] }}`, "2x[2, 3]v"},
		{`{% set y = 'a' if x is defined and (x if x else 1) else ('b' if true else 'c') %}{{ y }}{% for i in ([1] if x else [2, 3]) if i > 2 %}{{ i }}{% endfor %}`, "b3"},
		{"{{ 'a\\\nb' }}" + `{{ "\x41\u00e9\101\d" }}{{ '"' }}`, `abAéA\d"`},
		{"{{ '}}' }}{{ '%}' }}{{ {'a': {'b': 1}}.a.b }}{%- raw -%} {{ {% x {%- endraw %} {", "}}%}1{{ {% x {"},
		{"a {% if true %} b {% endif %} c\n  {# x #}\n d{#- y -#} e {%+ if true %}f{% endif +%}\n g\n\n", "a  b  c\n de f\n g\n"},
		{`{% if tools[0].function.none %}x{% endif %}{% for t in tools[0].none %}y{% endfor %}`, ""},
		{`{{ [1, {'a': 2}] | tojson(indent=2) }}`, "[\n  1,\n  {\n    \"a\": 2\n  }\n]"},
		{`{{ tools[0] | tojson }}`, `{"type": "function", "function": {"name": "f", "description": "It's \"x\" <b>\n", "parameters": {"z": 1, "a": {"k": [1.0, 1e+20, -3, false]}}}}`},
		{`{{ messages[2].tool_calls[0].function.arguments | tojson }}{{ messages[2].tool_calls[0].id }}`, `{"b": 1, "a": [true, null, 2.5]}c1`},
		{`{% for k, v in tools[0].function.parameters.items() %}{{ k }}={{ v is mapping }};{% endfor %}`, "z=False;a=True;"},
		{`{% for k in tools[0].function.parameters %}{{ k }}{% endfor %}{{ tools[0].function.parameters.keys() | join(',') }}`, "zaz,a"},
		{`{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}`, "a2b1"},
		{`{{ messages[0].tool_calls is defined }}{{ 'tool_calls' in messages[2] }}{{ messages[3].get('name', 'd') }}{{ messages[0].get('name', 'd') }}`, "FalseTruefd"},
		{`{{ messages | map(attribute='role') | join(',') }}{{ messages | length }}`, "system,user,assistant,tool4"},
		{`{% for i in range(5, 0, -2) %}{% if i == 3 %}{% continue %}{% endif %}{{ i }}{% endfor %}{% for i in range(9) %}{{ i }}{% if i == 1 %}{% break %}{% endif %}{% endfor %}`, "5101"},
		{`{% for c in 'éa' %}[{{ c }}]{% endfor %}`, "[é][a]"},
		{`{% set x %}h{{ 1 }}{% endset %}{{ x }}{{ x | length }}`, "h12"},
		{"{% if true %}\na\n{% endif %}\n  {% if true %}\n  b{% endif %}\n", "a\n  b"},
		{"x {%- if true -%}  y  {%- endif %} z", "xy z"},
		{`{% generation %}a{% endgeneration %}{# c #}{% raw %}{{ x }}{% endraw %}`, "a{{ x }}"},
		{`{{ x is undefined }}{{ none is none }}{{ 'a' is string }}{{ x | default('q') }}{{ '' | default('r', true) }}`, "TrueTrueTrueqr"},
		{`{{ 'a' * 3 }}{{ 7 // 2 }}{{ 5 % 3 }}{{ 1 ~ true }}`, "aaa321True"},
		{`{{ "it\'s" }}{{ 'a\nb\\n' }}`, "it'sa\nb\\n"},
		{`{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%-d/%-m %H:%M %%') }}`, "05 Nov 2026|5/11 07:03 %"},
		{`{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}`, "<s></s>True"},
		{`{{ messages[3].content }}{{ 'A' | lower }}{{ ' a ' | trim }}{{ 'ab' | replace('a', 'c') }}{{ 'ab cd' | title }}{{ 'a\nb' | indent(2) }}`, "é<&>aacbAb Cda\n  b"},
	} {
		tmpl, err := New(test.source, "<s>", "</s>")
		if err != nil {
			t.Errorf("%s: %v", test.source, err)
			continue
		}
		tmpl.Now = func() time.Time { return time.Date(2026, 11, 5, 7, 3, 0, 0, time.UTC) }
		got, err := tmpl.Render(messages, json.RawMessage(tools), true)
		if err != nil || got != test.want {
			t.Errorf("%s\n got %q, %v\nwant %q", test.source, got, err, test.want)
		}
	}
}

// Hostile and unsupported templates are refused when parsed or rendered, with the words given, and at once.
func TestRefused(t *testing.T) {
	for _, test := range []struct{ name, source, words string }{
		{"long", strings.Repeat("x", maxSource+1), "131073 bytes"},
		{"zero byte", "{{ '\x00' }}", "zero byte"},
		{"broken", "{% for %}", "parse chat template"},
		{"open", "{% if true %}", "EOF"},
		{"include", "{% include '/etc/passwd' %}", "'include' not found"},
		{"import", "{% import 'a' as b %}", "'import' not found"},
		{"extends", "{% extends 'a' %}", "'extends' not found"},
		{"loop for ever", "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}", "100000 steps"},
		{"large range", "{{ range(1000000000000) | length }}", "more than 10000 numbers"},
		{"recursive loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recursive loops"},
		{"recursive macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "32 macros"},
		{"doubling", "{% set x = 'ab' %}{% for i in range(100) %}{% set ns = x ~ x %}{% set x = ns %}{% endfor %}" + strings.Repeat("{% set x = x ~ x %}", 60), "too large"},
		{"doubling lists", "{% set x = [1] %}" + strings.Repeat("{% set x = [x, x] %}", 40) + "{{ x }}", "a value is"},
		{"doubling macros", "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('abc') }}", "too large"},
		{"value in itself", "{% set n = namespace() %}{% set n.n = n %}{{ n }}", "nested too deep"},
		{"long text", "{% for i in range(10000) %}" + strings.Repeat("x", 1000) + "{% endfor %}", "bytes of text"},
		{"long text of a set", "{% set y %}{% for i in range(10000) %}" + strings.Repeat("x", 1000) + "{% endfor %}{% endset %}", "bytes of text"},
		{"long text of a macro", "{% macro f() %}{% for i in range(10000) %}" + strings.Repeat("x", 1000) + "{% endfor %}{% endmacro %}{{ f() | length }}", "bytes of text"},
		{"repeat", "{{ 'a' * 100000000000 }}", "operator *"},
		{"repeat twice", "{{ 'a' * 100 * 100 }}", "operator *"},
		{"repeat by a variable", "{{ 'a' * x }}", "operator *"},
		{"repeat backwards", "{{ 'a' * -1 }}", "operator *"},
		{"division by zero", "{{ 5 % 0 }}", "divide by zero"},
		{"long join", "{{ range(10000) | join(range(10000) | join('xxxxxx')) }}", "too large"},
		{"long replace", "{% set a = range(9999) | join('a') %}{{ a | replace('a', a) }}", "too large"},
		{"deep brackets", "{{ " + strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100) + " }}", "brackets inside each other"},
		{"deep statements", strings.Repeat("{% if true %}", 5000) + strings.Repeat("{% endif %}", 5000), "statements inside each other"},
		{"many ends that are none", "{% raw %}" + strings.Repeat("{% {", 30000), "raw is not closed"},
		{"long tag", "{{ 1" + strings.Repeat(" + 1", 1000) + " }}", "512 are allowed"},
		{"unknown filter", "{{ 'a' | wordwrap }}", "'wordwrap' not found"},
		{"unknown method", "{{ [1].append(2) }}", "unknown method 'append'"},
		{"unknown function", "{{ lipsum() }}", "not callable"},
		{"loop over a number", "{% for x in 5 %}{% endfor %}", "no list"},
		{"raise", "{{ raise_exception('no ' ~ 'way') }}", "no way"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tmpl, err := New(test.source, "", "")
			if err == nil {
				_, err = tmpl.Render(messages, nil, false)
			}
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("error %v, want one with %q", err, test.words)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	tmpl, err := New("{{ messages | length }}", "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		messages []chat.Message
		tools    string
		param    string
	}{
		{"tools", nil, "[", "tools"},
		{"text after tools", nil, "[] []", "tools"},
		{"deep tools", nil, strings.Repeat("[", 100) + strings.Repeat("]", 100), "tools"},
		{"huge number", nil, "[1e999]", "tools"},
		{"tool calls", []chat.Message{{Role: "user"}, {Role: "assistant", ToolCalls: json.RawMessage("{")}}, "", "messages[1].tool_calls"},
	} {
		_, err := tmpl.Render(test.messages, json.RawMessage(test.tools), false)
		var e *chat.Error
		if !errors.As(err, &e) || e.Kind != chat.Invalid || e.Param != test.param {
			t.Errorf("%s: error %v, want Invalid on %s", test.name, err, test.param)
		}
	}
}

func TestLongConversation(t *testing.T) {
	tmpl, err := New(loadGolden(t).Templates[0].Template, "", "")
	if err != nil {
		t.Fatal(err)
	}
	many := make([]chat.Message, 5000)
	for i := range many {
		many[i] = chat.Message{Role: "user", Content: strings.Repeat("x", 1000)}
	}
	text, err := tmpl.Render(many, nil, true)
	if want := 5000*(1000+len("<|im_start|>user\n<|im_end|>\n")) + len("<|im_start|>assistant\n"); err != nil || len(text) != want {
		t.Errorf("%d bytes, %v; want %d", len(text), err, want)
	}
}

func TestConcurrentUse(t *testing.T) {
	tmpl, err := New(`{% macro f(x) %}<{{ x }}>{% endmacro %}{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = ns.t ~ f(m.role) %}{% endfor %}{{ ns.t }}`, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if text, err := tmpl.Render(messages, nil, false); err != nil || text != "<system><user><assistant><tool>" {
					t.Errorf("%q, %v", text, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzTemplate(f *testing.F) {
	for _, tmpl := range loadGolden(f).Templates {
		f.Add(tmpl.Template)
	}
	f.Add(`{% macro f(a) %}{{ a | tojson }}{% endmacro %}{% set ns = namespace(x=[]) %}{% for k, v in tools[0].items() %}{% set ns.x = ns.x + [k] %}{{ f(v) }}{% endfor %}`)
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := New(source, "<s>", "</s>")
		if err != nil {
			return
		}
		start := time.Now()
		text, _ := tmpl.Render(messages, json.RawMessage(tools), true)
		if took := time.Since(start); took > 4*maxTime {
			t.Errorf("took %v", took)
		}
		if len(text) > 2*spareOutput {
			t.Errorf("made %d bytes", len(text))
		}
	})
}

// FuzzFront checks that what is handed to the library is a template again, whatever the source.
func FuzzFront(f *testing.F) {
	for _, tmpl := range loadGolden(f).Templates {
		f.Add(tmpl.Template)
	}
	f.Add("{{ ('a' if x else \"\\x41\") }}{# c #}{%- raw %}{{{% endraw +%}\n{")
	f.Fuzz(func(t *testing.T, source string) {
		lowered, err := front(source)
		if err != nil {
			return
		}
		if _, err := scan(lowered + "\n"); err != nil {
			t.Errorf("%q became %q: %v", source, lowered, err)
		}
	})
}

func FuzzTools(f *testing.F) {
	f.Add(tools)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decode([]byte(text))
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("read %q, which is no JSON", text)
		}
		_ = v
	})
}

func BenchmarkRender(b *testing.B) {
	tmpl, err := New(loadGolden(b).Templates[2].Template, "", "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(messages[:2], nil, true); err != nil {
			b.Fatal(err)
		}
	}
}
