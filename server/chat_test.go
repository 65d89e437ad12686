package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/sampler"
)

func TestChatAnswers(t *testing.T) {
	f := newFixture(t)
	a := f.chat(`"align": {"n": 4, "candidates": true}, "seed": 7, "user": "ada", "metadata": {"a": "b"}`)
	if a.status != 200 {
		t.Fatal(a.body)
	}
	for _, want := range []struct {
		value any
		path  []any
	}{
		{"chat.completion", []any{"object"}},
		{"plumb", []any{"model"}},
		{"fp_3f2a9c0d1122", []any{"system_fingerprint"}},
		{"reply 3", []any{"choices", 0, "message", "content"}},
		{"assistant", []any{"choices", 0, "message", "role"}},
		{"stop", []any{"choices", 0, "finish_reason"}},
		{nil, []any{"choices", 0, "logprobs"}},
		{10.0, []any{"usage", "prompt_tokens"}},
		{20.0, []any{"usage", "completion_tokens"}},
		{30.0, []any{"usage", "total_tokens"}},
		{"top_m", []any{"align", "method"}},
		{4.0, []any{"align", "n_drawn"}},
		{3.0, []any{"align", "chosen"}},
		{3.0, []any{"align", "reward"}},
		{15.0, []any{"align", "tokens_discarded"}},
		{nil, []any{"align", "downgraded_from"}},
		{"durable", []any{"align", "stored"}},
		{"reply 0", []any{"align", "candidates", 0, "text"}},
		{true, []any{"align", "candidates", 3, "shown"}},
	} {
		if got := a.at(t, want.path...); got != want.value {
			t.Errorf("%v is %v, want %v", want.path, got, want.value)
		}
	}
	id := a.at(t, "id").(string)
	g, err := f.log.Generation(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if g.Seed != 7 || g.User != feedback.HashUser([]byte("0123456789abcdef"), "ada") || len(g.Candidates) != 4 || string(g.Metadata) != `{"a":"b"}` ||
		g.Policy.Name != "base" || g.RM != "rm-1" || g.Candidates[3].ID != id+".3" || !g.Candidates[3].Shown || g.Candidates[2].Shown {
		t.Errorf("kept %+v", g)
	}
	if got := f.policy.user.Load(); got != g.User {
		t.Errorf("the policy was resolved for %q", got)
	}
	if a.header.Get("X-Plumb-Stored") != "durable" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("headers %v", a.header)
	}
}

func TestChatReturnsTheBestN(t *testing.T) {
	a := newFixture(t).chat(`"n": 3, "align": {"n": 5}`)
	for i, want := range []string{"reply 4", "reply 3", "reply 2"} {
		if got := a.at(t, "choices", i, "message", "content"); got != want {
			t.Errorf("choice %d is %v, want %s", i, got, want)
		}
	}
	if a.at(t, "align", "tokens_discarded") != 10.0 {
		t.Error(a.body)
	}
}

func TestChatGivesLogprobsAndToolCalls(t *testing.T) {
	f := newFixture(t)
	a := f.chat(`"logprobs": true, "top_logprobs": 1, "align": {"method": "none"}`)
	if got := a.at(t, "choices", 0, "logprobs", "content", 0, "top_logprobs", 0, "token"); got != "x" {
		t.Errorf("got %v", got)
	}
	calls := `[{"id":"call_1","type":"function","function":{"name":"clock","arguments":"{}"}}]`
	f.sampler.change = func(_ sampler.Request, r *sampler.Result) {
		c := &r.Candidates[r.Chosen[0]]
		c.Text, c.Finish, c.ToolCalls = "", chat.FinishToolCalls, json.RawMessage(calls)
	}
	a = f.chat(`"tools": [{"type": "function", "function": {"name": "clock", "parameters": {}}}], "tool_choice": "auto", "parallel_tool_calls": true`)
	if a.at(t, "choices", 0, "message", "content") != nil || a.at(t, "choices", 0, "finish_reason") != "tool_calls" ||
		a.at(t, "choices", 0, "message", "tool_calls", 0, "function", "name") != "clock" {
		t.Error(a.body)
	}
	if got := string(f.sampler.last().Sampling.ToolChoice); got != `"auto"` {
		t.Errorf("tool_choice went on as %s", got)
	}
	if got := f.get("/v1/generations/"+a.at(t, "id").(string)).at(t, "candidates", 7, "tool_calls", 0, "id"); got != "call_1" {
		t.Errorf("kept %v", got)
	}
}

func TestRequestReachesTheSampler(t *testing.T) {
	f := newFixture(t)
	if a := f.chat(`"temperature": 0.5, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "stop": "END", "max_completion_tokens": 9, "presence_penalty": 1`,
		`"frequency_penalty": -1, "seed": -3, "n": 2, "response_format": {"type": "json_object"}`,
		`"align": {"method": "top_m", "n": 6, "pressure": 4, "conservatism": 0.5, "length": 0.2, "budget_tokens": 100, "deadline_ms": 60000, "strict": true}`,
		`"store": false, "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s", "stream": null, "logit_bias": null`); a.status != 200 {
		t.Fatal(a.body)
	}
	r := f.sampler.last()
	p := r.Sampling
	if *p.Temperature != .5 || *p.TopP != .9 || *p.TopK != 20 || *p.MinP != .1 || p.Stop[0] != "END" || *p.PresencePenalty != 1 ||
		*p.FrequencyPenalty != -1 || string(p.ResponseFormat) != `{"type": "json_object"}` {
		t.Errorf("sampling %+v", p)
	}
	if r.Model != "base" || r.MaxTokens != 9 || r.Seed != -3 || r.Return != 2 || r.N != 6 || r.Method != "top_m" || !r.Strict || r.BudgetTokens != 100 {
		t.Errorf("request %+v", r)
	}
	checkKnobs(t, r)
	if r.Messages[0].Content != "Tea?" {
		t.Errorf("messages %+v", r.Messages)
	}
}

func TestContentMayBeParts(t *testing.T) {
	f := newFixture(t)
	a := f.post("/v1/chat/completions", `{"model": "plumb", "messages": [
		{"role": "developer", "content": "Be brief."},
		{"role": "user", "content": [{"type": "text", "text": "Tea"}, {"text": "?", "type": "text"}], "name": "ada"},
		{"role": "assistant", "content": null, "refusal": null, "annotations": [], "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
		{"role": "tool", "tool_call_id": "c", "content": "1"}]}`)
	if a.status != 200 {
		t.Fatal(a.body)
	}
	m := f.sampler.last().Messages
	if m[0].Role != chat.System || m[1].Content != "Tea?" || m[1].Name != "ada" || len(m[2].ToolCalls) == 0 || m[3].ToolCallID != "c" {
		t.Errorf("%+v", m)
	}
}

func TestAlignFromBodyHeaderAndSuffix(t *testing.T) {
	for name, test := range map[string]struct {
		model   string
		body    string
		headers []string
		method  string
		n       int
	}{
		"default":                    {"plumb", ``, nil, "auto", 0},
		"suffix":                     {"plumb@bon8", ``, nil, "bon", 8},
		"suffix of a base model":     {"base@top_m16", ``, nil, "top_m", 16},
		"suffix without number":      {"plumb@soft", ``, nil, "soft", 0},
		"none":                       {"plumb@none", ``, nil, "none", 0},
		"a number of chi2":           {"plumb@chi24", ``, nil, "chi2", 4},
		"an @ that is no suffix":     {"@cf/x/y", ``, nil, "auto", 0},
		"header":                     {"plumb", ``, []string{"X-Align-N", "5", "X-Align-Method", "bon"}, "bon", 5},
		"header beats suffix":        {"plumb@top_m8", ``, []string{"X-Align-N", "5"}, "top_m", 5},
		"body beats header":          {"plumb@top_m8", `"align": {"method": "soft"}`, []string{"X-Align-N", "5", "X-Align-Method", "bon"}, "soft", 5},
		"body beats all":             {"plumb@top_m8", `"align": {"method": "soft", "n": 3}`, []string{"X-Align-N", "5"}, "soft", 3},
		"null in the body says none": {"plumb@bon8", `"align": {"method": null, "n": null}`, nil, "bon", 8},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			body := `{"model": "` + test.model + `", "messages": [{"role": "user", "content": "Tea?"}]`
			if test.body != "" {
				body += ", " + test.body
			}
			if a := f.post("/v1/chat/completions", body+"}", test.headers...); a.status != 200 {
				t.Fatal(a.body)
			}
			if r := f.sampler.last(); r.Method != test.method || r.N != test.n {
				t.Errorf("got %s with n = %d, want %s with %d", r.Method, r.N, test.method, test.n)
			}
		})
	}
}

func TestBadChatRequests(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Keys = []Key{{Secret: "0123456789abcdef", Scopes: []string{"chat"}, MaxN: 16}} })
	f.key = "0123456789abcdef"
	user := func(content string) string {
		return `{"model": "plumb", "messages": [{"role": "user", "content": ` + content + `}]}`
	}
	for name, test := range map[string]struct{ body, param, message string }{
		"empty":                    {" ", "", "empty"},
		"no object":                {"[]", "", "got an array"},
		"cut off":                  {`{"model": "pl`, "", "malformed"},
		"cut off after a value":    {`{"model": "plumb"`, "", "malformed"},
		"malformed":                {`{"model": plumb}`, "", "byte 11"},
		"comma too many":           {`{"model": "plumb",}`, "", "malformed"},
		"text after the end":       {ask() + "x", "", "after top-level value"},
		"second object":            {ask() + "{}", "", "after top-level value"},
		"not UTF-8":                {user("\"\xff\""), "", "UTF-8"},
		"duplicate":                {ask(`"model": "base"`), "model", "twice"},
		"duplicate deep":           {ask(`"align": {"n": 1, "n": 2}`), "align.n", "twice"},
		"duplicate in passed text": {ask(`"tools": [{"type": "function", "type": "function"}]`), "tools[0].type", "twice"},
		"deep":                     {ask(`"tools": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "", "deeper"},
		"unknown":                  {ask(`"frobnicate": 1`), "frobnicate", "unknown"},
		"unknown null":             {ask(`"frobnicate": null`), "frobnicate", "unknown"},
		"unknown in align":         {ask(`"align": {"m": 1}`), "align.m", "unknown"},
		"unknown in a message":     {`{"model": "plumb", "messages": [{"role": "user", "content": "x", "foo": 1}]}`, "messages[0].foo", "unknown"},
		"case matters":             {ask(`"Seed": 1`), "Seed", "unknown"},
		"not supported":            {ask(`"logit_bias": {"1": 2}`), "logit_bias", "not supported"},
		"no model":                 {`{"messages": [{"role": "user", "content": "x"}]}`, "model", "missing"},
		"model of wrong type":      {`{"model": 1, "messages": []}`, "model", "want a string, got a number"},
		"unknown suffix":           {`{"model": "plumb@best8", "messages": [{"role": "user", "content": "x"}]}`, "model", "@bon"},
		"method not built":         {ask(`"align": {"method": "mbr"}`), "align.method", "not built yet"},
		"suffix not built":         {`{"model": "plumb@guide0.5", "messages": [{"role": "user", "content": "x"}]}`, "model", "not built yet"},
		"n of suffix":              {`{"model": "plumb@bon17", "messages": [{"role": "user", "content": "x"}]}`, "model", "1 to 16"},
		"fraction in suffix":       {`{"model": "plumb@bon1.5", "messages": [{"role": "user", "content": "x"}]}`, "model", "whole"},
		"no messages":              {`{"model": "plumb", "messages": []}`, "messages", "missing or empty"},
		"messages null":            {`{"model": "plumb", "messages": null}`, "messages", "missing or empty"},
		"messages a string":        {`{"model": "plumb", "messages": "hi"}`, "messages", "want an array, got a string"},
		"message a string":         {`{"model": "plumb", "messages": ["hi"]}`, "messages[0]", "want an object, got a string"},
		"message null":             {`{"model": "plumb", "messages": [null]}`, "messages[0]", "want an object, got null"},
		"role":                     {`{"model": "plumb", "messages": [{"role": "robot", "content": "x"}]}`, "messages[0].role", `got "robot", want system`},
		"no role":                  {`{"model": "plumb", "messages": [{"content": "x"}]}`, "messages[0].role", "missing"},
		"no content":               {`{"model": "plumb", "messages": [{"role": "user"}]}`, "messages[0].content", "missing"},
		"content null":             {user("null"), "messages[0].content", "missing"},
		"content a number":         {user("1"), "messages[0].content", "want a string or an array of text parts, got a number"},
		"picture":                  {user(`[{"type": "image_url", "image_url": {"url": "x"}}]`), "messages[0].content[0].type", `got "image_url", want text`},
		"part without text":        {user(`[{"type": "text"}]`), "messages[0].content[0].text", "missing"},
		"tool without call":        {`{"model": "plumb", "messages": [{"role": "tool", "content": "x"}]}`, "messages[0].tool_call_id", "missing"},
		"user with tool calls":     {`{"model": "plumb", "messages": [{"role": "user", "content": "x", "tool_calls": [{"type": "function", "function": {"name": "f"}}]}]}`, "messages[0].tool_calls", "assistant"},
		"n zero":                   {ask(`"n": 0`), "n", "got 0, want a whole number, 1 to 16"},
		"n over the ceiling":       {ask(`"n": 10000`), "n", "1 to 16"},
		"n a string":               {ask(`"n": "8"`), "n", "want a whole number, got a string"},
		"n a fraction":             {ask(`"n": 1.5`), "n", "got 1.5"},
		"align.n over the ceiling": {ask(`"align": {"n": 17}`), "align.n", "1 to 16"},
		"align.n below n":          {ask(`"n": 3, "align": {"n": 2}`), "align.n", "fewer"},
		"align a string":           {ask(`"align": "bon"`), "align", "want an object"},
		"align.method":             {ask(`"align": {"method": "best"}`), "align.method", `got "best", want auto`},
		"align.deadline_ms":        {ask(`"align": {"deadline_ms": 0}`), "align.deadline_ms", "got 0"},
		"align.length":             {ask(`"align": {"length": 2}`), "align.length", "-1 to 1"},
		"align.candidates":         {ask(`"align": {"candidates": 1}`), "align.candidates", "true or false"},
		"two seeds":                {ask(`"seed": 1, "align": {"seed": 2}`), "align.seed", "differs"},
		"seed a fraction":          {ask(`"seed": 0.5`), "seed", "whole"},
		"seed too long":            {ask(`"seed": 99999999999999999999`), "seed", "64 bits"},
		"temperature":              {ask(`"temperature": 2.1`), "temperature", "got 2.1, want 0 to 2"},
		"temperature huge":         {ask(`"temperature": 1e999`), "temperature", "0 to 2"},
		"top_p":                    {ask(`"top_p": 0`), "top_p", "above 0"},
		"top_k":                    {ask(`"top_k": 0`), "top_k", "at least 1"},
		"penalty":                  {ask(`"presence_penalty": 3`), "presence_penalty", "-2 to 2"},
		"max_tokens":               {ask(`"max_tokens": 0`), "max_tokens", "got 0"},
		"max_tokens differ":        {ask(`"max_tokens": 1, "max_completion_tokens": 2`), "max_completion_tokens", "differs"},
		"stop":                     {ask(`"stop": ["a", "b", "c", "d", "e"]`), "stop", "more than 4"},
		"stop empty":               {ask(`"stop": [""]`), "stop[0]", "empty"},
		"stop a number":            {ask(`"stop": 1`), "stop", "want a string or an array"},
		"top_logprobs alone":       {ask(`"top_logprobs": 2`), "top_logprobs", "needs logprobs"},
		"top_logprobs":             {ask(`"logprobs": true, "top_logprobs": 21`), "top_logprobs", "0 to 20"},
		"stream_options":           {ask(`"stream_options": {"include_usage": true}`), "stream_options", "needs stream"},
		"stream":                   {ask(`"stream": "yes"`), "stream", "want true or false"},
		"response_format":          {ask(`"response_format": {"type": "xml"}`), "response_format.type", `got "xml"`},
		"response_format schema":   {ask(`"response_format": {"type": "json_schema"}`), "response_format.json_schema", "missing"},
		"tools":                    {ask(`"tools": {}`), "tools", "want an array"},
		"tool type":                {ask(`"tools": [{"type": "web"}]`), "tools[0].type", "function"},
		"tool name":                {ask(`"tools": [{"type": "function"}]`), "tools[0].function.name", "missing"},
		"tool_choice alone":        {ask(`"tool_choice": "required"`), "tool_choice", "needs tools"},
		"tool_choice":              {ask(`"tool_choice": "maybe"`), "tool_choice", "none, auto or required"},
		"one tool at a time":       {ask(`"parallel_tool_calls": false, "tools": [{"type": "function", "function": {"name": "f"}}]`), "parallel_tool_calls", "got false"},
		"store":                    {ask(`"store": true`), "store", "want false"},
		"service_tier":             {ask(`"service_tier": "flex"`), "service_tier", "auto or default"},
		"user":                     {ask(`"user": "` + strings.Repeat("x", 257) + `"`), "user", "at most 256"},
		"metadata":                 {ask(`"metadata": {"a": 1}`), "metadata.a", "want a string"},
		"modalities":               {ask(`"modalities": ["audio"]`), "modalities[0]", "want text"},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.post("/v1/chat/completions", test.body)
			if a.status != 400 {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
			if test.param != "" || a.at(t, "error", "param") == nil {
				wantError(t, a, 400, test.param)
			}
			if message := a.at(t, "error", "message").(string); !strings.Contains(message, test.message) {
				t.Errorf("message %q does not say %q", message, test.message)
			}
		})
	}
	for name, test := range map[string][3]string{
		"value":   {"X-Align-N", "many", "X-Align-N"},
		"range":   {"X-Align-N", "17", "X-Align-N"},
		"unknown": {"X-Align-Foo", "1", "X-Align-Foo"},
		"method":  {"X-Align-Method", "best", "X-Align-Method"},
		"word":    {"X-Align-Strict", "tru", "X-Align-Strict"},
		"type":    {"X-Align-N", "true", "X-Align-N"},
		"inject":  {"X-Align-N", `1,"strict":true`, "X-Align-N"},
		"session": {"X-Session-Id", strings.Repeat("x", 129), "X-Session-Id"},
	} {
		t.Run("header "+name, func(t *testing.T) {
			wantError(t, f.post("/v1/chat/completions", ask(), test[0], test[1]), 400, test[2])
		})
	}
	if len(f.sampler.requests) != 0 {
		t.Errorf("%d bad requests reached the sampler", len(f.sampler.requests))
	}
}

func TestWhatTheUpstreamCannot(t *testing.T) {
	f := newFixture(t)
	f.policy.policy.Abilities = chat.Abilities{}
	for param, value := range map[string]string{"logprobs": `true`, "seed": `1`, "presence_penalty": `1`, "frequency_penalty": `0.5`,
		"response_format": `{"type": "json_object"}`, "tools": `[{"type": "function", "function": {"name": "f"}}]`} {
		wantError(t, f.chat(`"`+param+`": `+value), 400, param)
	}
	if a := f.chat(`"logprobs": false, "presence_penalty": 0, "response_format": {"type": "text"}, "tools": [], "tool_choice": "none"`); a.status != 200 {
		t.Error("what asks for nothing was refused: " + a.body)
	}
}

func TestLenientServersWarn(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Lenient = true })
	a := f.chat(`"frobnicate": {"a": [1, 2]}, "logit_bias": {"1": 1}`)
	if got := a.header.Get("X-Plumb-Warning"); a.status != 200 || got != "frobnicate: unknown field, ignored; logit_bias: not supported, ignored" {
		t.Errorf("%d %q %s", a.status, got, a.body)
	}
	wantError(t, f.chat(`"n": 0`), 400, "n")
}

func TestErrorsOfThoseBehind(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		param  string
	}{
		"upstream":    {&chat.Error{Kind: chat.Upstream, Msg: "draw candidates: all 8 failed"}, 502, ""},
		"deadline":    {&chat.Error{Kind: chat.Timeout, Msg: "draw candidates: the deadline passed"}, 504, ""},
		"deadline 2":  {context.DeadlineExceeded, 504, ""},
		"strict":      {&chat.Error{Kind: chat.Invalid, Param: "align.method", Msg: "align.method: guide needs logits"}, 400, "align.method"},
		"busy":        {&chat.Error{Kind: chat.RateLimited, Msg: "busy", RetryAfter: 2500 * time.Millisecond}, 429, ""},
		"unavailable": {&chat.Error{Kind: chat.Unavailable, Msg: "away"}, 503, ""},
		"bug":         {errors.New("secret detail"), 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.sampler.before = func(context.Context, sampler.Request) error { return test.err }
			a := f.chat()
			wantError(t, a, test.status, test.param)
			if strings.Contains(a.body, "secret") {
				t.Error("tells details: " + a.body)
			}
			if name == "busy" && a.header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			if name == "bug" && !strings.Contains(f.lines.String(), "secret detail") {
				t.Error("the log does not say why")
			}
		})
	}
}

func TestUnknownModel(t *testing.T) {
	a := newFixture(t).post("/v1/chat/completions", `{"model": "gpt-9", "messages": [{"role": "user", "content": "x"}]}`)
	wantError(t, a, 404, "model")
}

func TestPanicsAreAnswered(t *testing.T) {
	f := newFixture(t)
	f.sampler.before = func(context.Context, sampler.Request) error { panic("secret") }
	a := f.chat()
	wantError(t, a, 500, "")
	if strings.Contains(a.body, "secret") || !strings.Contains(a.body, a.header.Get("X-Request-Id")) {
		t.Error(a.body)
	}
	if a := f.get("/healthz"); a.status != 200 {
		t.Error("the server is gone")
	}
}

func TestChatGoesOnWithoutTheStore(t *testing.T) {
	broken := &brokenLog{err: errors.New("disk full")}
	f := newFixture(t, func(o *Options) { broken.Log = o.Log; o.Log = broken })
	a := f.chat()
	if a.status != 200 || a.header.Get("X-Plumb-Stored") != "no" || a.at(t, "align", "stored") != nil {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	wantError(t, f.post("/v1/feedback", `{"kind": "demonstration", "messages": [{"role": "user", "content": "Tea?"}], "text": "x"}`), 503, "")
	wantError(t, f.get("/v1/feedback"), 500, "")
	broken.err, broken.how = nil, feedback.Spooled
	a = f.chat()
	if a.header.Get("X-Plumb-Stored") != "spooled" || a.at(t, "align", "stored") != "spooled" {
		t.Error(a.body)
	}
	vote := f.post("/v1/feedback", `{"kind": "thumb", "id": "`+a.at(t, "id").(string)+`", "value": 1}`)
	if vote.status != 202 || vote.at(t, "stored") != "spooled" {
		t.Errorf("%d %s", vote.status, vote.body)
	}
}

// brokenLog fails with err, or stores and says how.
type brokenLog struct {
	Log
	err error
	how feedback.Durability
}

func (l *brokenLog) PutGeneration(ctx context.Context, g feedback.Generation) (feedback.Durability, error) {
	if l.err != nil {
		return "", l.err
	}
	_, err := l.Log.PutGeneration(ctx, g)
	return l.how, err
}

func (l *brokenLog) PutEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	if l.err != nil {
		return feedback.Event{}, "", l.err
	}
	live, _, err := l.Log.PutEvent(ctx, e)
	return live, l.how, err
}

func (l *brokenLog) Generation(ctx context.Context, id string) (feedback.Generation, error) {
	if l.err != nil {
		return feedback.Generation{}, l.err
	}
	return l.Log.Generation(ctx, id)
}

func (l *brokenLog) Events(ctx context.Context, q feedback.Query) ([]feedback.Event, string, error) {
	if l.err != nil {
		return nil, "", l.err
	}
	return l.Log.Events(ctx, q)
}

func (l *brokenLog) Ping(ctx context.Context) error {
	if l.err != nil {
		return l.err
	}
	return l.Log.Ping(ctx)
}

func TestTooLargeABody(t *testing.T) {
	f := newFixture(t)
	big := `{"model": "` + strings.Repeat("x", 20<<20) + `"}`
	wantError(t, f.post("/v1/chat/completions", big), 413, "")
	wantError(t, f.post("/v1/feedback", big), 413, "")
	fits := strings.Repeat("x", 4<<20-200)
	if a := f.post("/v1/chat/completions", `{"model": "plumb", "messages": [{"role": "user", "content": "`+fits+`"}]}`); a.status != 200 {
		t.Errorf("a body within the limit got %d", a.status)
	}
}
