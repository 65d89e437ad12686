package server

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
	"plumb/sampler"
)

const (
	chatKey     = "chat-key-0123456789"
	feedbackKey = "feedback-key-0123456789"
	adminKey    = "admin-key-0123456789"
)

func threeKeys(o *Options) {
	o.Keys = []Key{{Name: "app", Secret: chatKey, Scopes: []string{ScopeChat}, MaxN: 2},
		{Secret: feedbackKey, Scopes: []string{ScopeFeedback}}, {Name: "ops", Secret: adminKey, Scopes: []string{ScopeAdmin}}}
	runs := &fakeRuns{}
	o.Runs, o.Releases, o.Exporter = runs, runs, &fakeExporter{}
}

func TestScopes(t *testing.T) {
	f := newFixture(t, threeKeys)
	f.key = adminKey
	id := asked(t, f)
	for _, test := range []struct {
		method, path, body string
		scope              string
	}{
		{"POST", "/v1/chat/completions", ask(), ScopeChat},
		{"GET", "/v1/models", "", ScopeChat},
		{"GET", "/v1/models/base", "", ScopeChat},
		{"POST", "/v1/feedback", `{"id": "` + id + `", "kind": "thumb", "value": 1}`, ScopeFeedback},
		{"GET", "/v1/feedback", "", ScopeFeedback},
		{"GET", "/v1/generations/" + id, "", ScopeFeedback},
		{"POST", "/v1/generations/" + id + "/next", "", ScopeFeedback},
		{"GET", "/v1/feedback/export", "", ScopeAdmin},
		{"GET", "/v1/align/status", "", ScopeAdmin},
		{"POST", "/v1/align/rollback", "", ScopeAdmin},
		{"DELETE", "/v1/users/ada", "", ScopeAdmin},
	} {
		for scope, secret := range map[string]string{ScopeChat: chatKey, ScopeFeedback: feedbackKey, ScopeAdmin: adminKey} {
			f.key = secret
			a := f.do(test.method, test.path, test.body)
			if allowed := scope == test.scope || scope == ScopeAdmin; allowed == (a.status == 403) || a.status == 401 {
				t.Errorf("%s %s with scope %s: %d %s", test.method, test.path, scope, a.status, a.body)
			}
		}
		for _, secret := range []string{"", "wrong-key-0123456789", chatKey + "x", chatKey[:len(chatKey)-1]} {
			f.key = secret
			a := f.do(test.method, test.path, test.body)
			wantError(t, a, 401, "Authorization")
			if a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("no WWW-Authenticate")
			}
		}
	}
	f.key = ""
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics"} {
		if a := f.get(path); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	wantError(t, f.do("GET", "/v1/models", "", "Authorization", chatKey), 401, "Authorization")
	f.key = chatKey
	wantError(t, f.chat(`"align": {"n": 3}`), 400, "align.n")
	if a := f.chat(`"align": {"n": 2}`); a.status != 200 {
		t.Error(a.body)
	}
}

func TestLogsTellNothingSecret(t *testing.T) {
	f := newFixture(t, threeKeys)
	f.key = adminKey
	const secret = "tell-nobody"
	f.post("/v1/chat/completions", `{"model": "plumb", "messages": [{"role": "user", "content": "`+secret+`"}], "user": "`+secret+`", "metadata": {"a": "`+secret+`"}}`)
	f.post("/v1/chat/completions", `{"model": "`+secret+`", "messages": [{"role": "`+secret+`", "content": "x"}]}`)
	f.post("/v1/chat/completions", `{"model": "plumb", "`+secret+`" 1}`)
	f.post("/v1/feedback", `{"kind": "demonstration", "text": "`+secret+`", "messages": [{"role": "user", "content": "`+secret+`"}], "user": "`+secret+`"}`)
	f.get("/v1/feedback?user=" + secret)
	f.do("DELETE", "/v1/users/"+secret, "")
	f.get("/" + secret)
	f.do("GET", "/v1/models", "", "Authorization", "Bearer "+secret+secret, "User-Agent", secret)
	f.sampler.before = func(context.Context, sampler.Request) error {
		return &chat.Error{Kind: chat.Upstream, Msg: "draw: 500"}
	}
	f.chat()
	log := f.lines.String()
	for _, never := range []string{secret, chatKey, feedbackKey, adminKey, "Tea?", "reply 7"} {
		if strings.Contains(log, never) {
			t.Errorf("the log has %q:\n%s", never, log)
		}
	}
	for _, want := range []string{`"key":"ops"`, `"sampler":"top_m"`, `"drawn":8`, `"reward":7`, `"error":"draw: 500"`, `"kind":"unauthorized"`, `"route":"/v1/users/:user"`, `"stored":"durable"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	f := newFixture(t)
	if got := f.do("GET", "/healthz", "", "X-Request-Id", "mine-1").header.Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("got %q", got)
	}
	for _, odd := range []string{"a b", "ä", strings.Repeat("x", 129), `"},{"`} {
		if got := f.do("GET", "/healthz", "", "X-Request-Id", odd).header.Get("X-Request-Id"); !strings.HasPrefix(got, "req-") {
			t.Errorf("%q gave %q", odd, got)
		}
	}
}

func TestRates(t *testing.T) {
	now := time.Unix(0, 0)
	f := newFixture(t, threeKeys, func(o *Options) { o.Keys[0].PerMinute = 2; o.Now = func() time.Time { return now } })
	f.key = chatKey
	for left, want := range []string{"1", "0"} {
		a := f.get("/v1/models")
		if a.status != 200 || a.header.Get("X-RateLimit-Remaining-Requests") != want || a.header.Get("X-RateLimit-Limit-Requests") != "2" {
			t.Errorf("request %d: %d %v", left, a.status, a.header)
		}
	}
	a := f.get("/v1/models")
	wantError(t, a, 429, "")
	if a.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	now = now.Add(30 * time.Second)
	if a := f.get("/v1/models"); a.status != 200 {
		t.Error(a.body)
	}
	f.key = adminKey
	if a := f.get("/v1/models"); a.status != 200 {
		t.Error("one key's rate is another's")
	}
}

func TestAdmission(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Slots, o.Queue = 2, 1 })
	inside, release := make(chan struct{}, 8), make(chan struct{})
	f.sampler.before = func(context.Context, sampler.Request) error { inside <- struct{}{}; <-release; return nil }
	answers := make(chan answer, 3)
	var all sync.WaitGroup
	send := func() { all.Go(func() { answers <- f.chat(`"align": {"method": "none"}`) }) }
	send()
	send()
	<-inside
	<-inside // both slots are taken
	send()   // waits
	for f.server.admission.waiting.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	for _, body := range []string{ask(), ask(`"stream": true`)} {
		a := f.post("/v1/chat/completions", body)
		wantError(t, a, 429, "")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if len(inside) != 0 {
		t.Error("more is drawn at once than there are slots")
	}
	close(release)
	all.Wait()
	for range 3 {
		if a := <-answers; a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if f.server.admission.taken.Load() != 0 || f.server.admission.waiting.Load() != 0 {
		t.Error("slots were lost")
	}
}

func TestWaitingCountsForTheDeadline(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Slots = 1 })
	inside, release := make(chan struct{}), make(chan struct{})
	f.sampler.before = func(context.Context, sampler.Request) error { close(inside); <-release; return nil }
	done := make(chan answer)
	go func() { done <- f.chat() }()
	<-inside
	wantError(t, f.chat(`"align": {"deadline_ms": 20}`), 504, "")
	close(release)
	if a := <-done; a.status != 200 {
		t.Error(a.body)
	}
	f.sampler.before = nil
	if a := f.chat(); a.status != 200 {
		t.Error("the slot was lost: " + a.body)
	}
}

func TestAdmissionNeverLosesSlots(t *testing.T) {
	a := newAdmission(4, 100)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			s, err := a.enter(i%7 + 1)
			if err != nil {
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%5)*time.Millisecond)
			defer cancel()
			if s.wait(ctx) == nil && a.taken.Load() > a.slots {
				t.Error("more taken than there are")
			}
			s.leave()
			s.leave()
		})
	}
	all.Wait()
	if a.taken.Load() != 0 || a.waiting.Load() != 0 || !a.free.TryAcquire(4) {
		t.Errorf("taken %d, waiting %d", a.taken.Load(), a.waiting.Load())
	}
}

func TestPagesOfOtherOrigins(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Origins = []string{"https://chat.example"}; o.Hosts = []string{"127.0.0.1"} })
	vote := `{"kind": "star"}`
	for name, test := range map[string]struct {
		headers []string
		status  int
	}{
		"no browser":     {nil, 400},
		"same origin":    {[]string{"Sec-Fetch-Site", "same-origin"}, 400},
		"another site":   {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"an old browser": {[]string{"Origin", "https://evil.example"}, 403},
		"trusted":        {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://chat.example"}, 400},
	} {
		a := f.post("/v1/feedback", vote, test.headers...)
		if a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	a := f.do("OPTIONS", "/v1/feedback", "", "Origin", "https://chat.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://chat.example" || a.header.Get("Access-Control-Allow-Headers") != "authorization" {
		t.Errorf("preflight %d %v", a.status, a.header)
	}
	if a := f.do("OPTIONS", "/v1/feedback", "", "Origin", "https://evil.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("preflight of a stranger was answered")
	}
}

func TestHostNames(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Hosts = []string{"plumb.example"} })
	wantError(t, f.get("/v1/models"), 403, "Host")
}
