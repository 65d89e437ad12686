package server

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/feedback"
	"plumb/sampler"
)

// asked makes a generation of four candidates and returns its id.
func asked(t *testing.T, f *fixture) string {
	t.Helper()
	return f.chat(`"align": {"n": 4}, "user": "ada"`).at(t, "id").(string)
}

func TestVotes(t *testing.T) {
	f := newFixture(t)
	id := asked(t, f)
	fill := strings.NewReplacer("ID", id).Replace
	for name, test := range map[string]struct {
		body, candidate string
	}{
		"thumb on what was shown":   {`{"id": "ID", "kind": "thumb", "value": 1}`, id + ".3"},
		"thumb on a candidate":      {`{"id": "ID.1", "kind": "thumb", "value": -1}`, id + ".1"},
		"rating":                    {`{"id": "ID", "kind": "rating", "value": 4}`, id + ".3"},
		"comment":                   {`{"id": "ID", "kind": "comment", "text": "too long"}`, id + ".3"},
		"edit":                      {`{"id": "ID.0", "kind": "edit", "text": "better"}`, id + ".0"},
		"preference":                {`{"id": "ID", "kind": "preference", "winner": "ID.2", "losers": ["ID.0", "ID.3"]}`, ""},
		"ranking":                   {`{"id": "ID", "kind": "ranking", "ranking": ["ID.2", "ID.0", "ID.1", "ID.3"]}`, ""},
		"demonstration":             {`{"kind": "demonstration", "messages": [{"role": "user", "content": "Tea?"}], "text": "Yes."}`, ""},
		"implied":                   {`{"id": "ID.2", "kind": "thumb", "value": 1, "source": "implicit"}`, id + ".2"},
		"with nulls for the others": {`{"id": "ID.1", "kind": "rating", "value": 5, "text": null, "losers": null, "user": null}`, id + ".1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.post("/v1/feedback", fill(test.body))
			if a.status != 200 || a.at(t, "stored") != "durable" || a.at(t, "object") != "feedback" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if got, _ := a.at(t, "candidate").(string); got != test.candidate {
				t.Errorf("about %q, want %q", got, test.candidate)
			}
			again := f.post("/v1/feedback", fill(test.body))
			if again.at(t, "id") != a.at(t, "id") {
				t.Errorf("the same vote again is another: %s %s", a.body, again.body)
			}
		})
	}
}

func TestBadVotes(t *testing.T) {
	f := newFixture(t)
	id, other := asked(t, f), asked(t, f)
	fill := strings.NewReplacer("ID", id, "OTHER", other).Replace
	for name, test := range map[string]struct {
		body   string
		status int
		param  string
	}{
		"unknown generation":       {`{"id": "chatcmpl-01JD3V5Q9M4T2YB1Z8X6W7C0AE", "kind": "thumb", "value": 1}`, 404, "id"},
		"no id at all":             {`{"id": "x", "kind": "thumb", "value": 1}`, 404, "id"},
		"unknown candidate":        {`{"id": "ID.4", "kind": "thumb", "value": 1}`, 404, "id"},
		"unknown vote":             {`{"id": "fb-01JD3V5Q9M4T2YB1Z8X6W7C0AE", "kind": "revoke"}`, 404, "id"},
		"candidate of another":     {`{"id": "ID", "kind": "preference", "winner": "OTHER.0", "losers": ["ID.1"]}`, 400, "winner"},
		"loser of another":         {`{"id": "ID", "kind": "preference", "winner": "ID.0", "losers": ["OTHER.1"]}`, 400, "losers[0]"},
		"winner among the losers":  {`{"id": "ID", "kind": "preference", "winner": "ID.0", "losers": ["ID.0"]}`, 400, "losers[0]"},
		"preference without loser": {`{"id": "ID", "kind": "preference", "winner": "ID.0"}`, 400, "losers"},
		"ranking of one":           {`{"id": "ID", "kind": "ranking", "ranking": ["ID.0"]}`, 400, "ranking"},
		"ranking twice the same":   {`{"id": "ID", "kind": "ranking", "ranking": ["ID.0", "ID.0"]}`, 400, "ranking[1]"},
		"ranking of an unknown":    {`{"id": "ID", "kind": "ranking", "ranking": ["ID.0", "ID.9"]}`, 404, "ranking[1]"},
		"thumb of 2":               {`{"id": "ID", "kind": "thumb", "value": 2}`, 400, "value"},
		"thumb of nothing":         {`{"id": "ID", "kind": "thumb"}`, 400, "value"},
		"rating of 6":              {`{"id": "ID", "kind": "rating", "value": 6}`, 400, "value"},
		"value a string":           {`{"id": "ID", "kind": "thumb", "value": "up"}`, 400, "value"},
		"thumb with text":          {`{"id": "ID", "kind": "thumb", "value": 1, "text": "x"}`, 400, "text"},
		"comment without text":     {`{"id": "ID", "kind": "comment"}`, 400, "text"},
		"demonstration with id":    {`{"id": "ID", "kind": "demonstration", "messages": [{"role": "user", "content": "x"}], "text": "y"}`, 400, "id"},
		"demonstration of nothing": {`{"kind": "demonstration", "text": "y"}`, 400, "messages"},
		"bad role":                 {`{"kind": "demonstration", "messages": [{"role": "bot", "content": "x"}], "text": "y"}`, 400, "messages[0].role"},
		"no kind":                  {`{"id": "ID"}`, 400, "kind"},
		"unknown kind":             {`{"id": "ID", "kind": "star"}`, 400, "kind"},
		"no id":                    {`{"kind": "thumb", "value": 1}`, 400, "id"},
		"unknown field":            {`{"id": "ID", "kind": "thumb", "value": 1, "mood": 1}`, 400, "mood"},
		"source rm":                {`{"id": "ID", "kind": "thumb", "value": 1, "source": "rm"}`, 400, "source"},
		"malformed":                {`{"id": "ID",`, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, f.post("/v1/feedback", fill(test.body)), test.status, test.param)
		})
	}
	if list := f.get("/v1/feedback"); len(list.at(t, "data").([]any)) != 0 {
		t.Error("bad votes were kept: " + list.body)
	}
}

func TestListAndRevoke(t *testing.T) {
	f := newFixture(t)
	id := asked(t, f)
	up := f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1, "user": "ada"}`)
	f.post("/v1/feedback", `{"id": "`+id+`", "kind": "comment", "text": "fine", "user": "bob"}`)
	f.post("/v1/feedback", `{"id": "`+asked(t, f)+`", "kind": "thumb", "value": -1, "user": "bob"}`)

	count := func(query string) int { t.Helper(); return len(f.get("/v1/feedback"+query).at(t, "data").([]any)) }
	if count("") != 3 || count("?generation="+id) != 2 || count("?user=bob") != 2 || count("?user=bob&kind=thumb") != 1 || count("?user=carl") != 0 {
		t.Error(f.get("/v1/feedback").body)
	}
	var seen []string
	for after := ""; ; {
		page := f.get("/v1/feedback?limit=2&after=" + url.QueryEscape(after))
		for _, v := range page.at(t, "data").([]any) {
			seen = append(seen, dig(t, v, "id").(string))
		}
		next, more := page.at(t, "next").(string)
		if !more {
			break
		}
		after = next
	}
	if len(seen) != 3 || seen[0] != up.at(t, "id") {
		t.Errorf("pages of %v", seen)
	}
	first := dig(t, f.get("/v1/feedback?user=ada").json(t), "data", 0)
	if dig(t, first, "value") != 1.0 || dig(t, first, "source") != "human" || dig(t, first, "candidate") != id+".3" || dig(t, first, "user") == "ada" {
		t.Errorf("%v", first)
	}
	gone := f.do("DELETE", "/v1/feedback/"+up.at(t, "id").(string), "")
	if gone.status != 200 || gone.at(t, "kind") != "revoke" || gone.at(t, "generation") != id {
		t.Errorf("%d %s", gone.status, gone.body)
	}
	if count("?user=ada") != 0 {
		t.Error("a revoked vote is listed")
	}
	anew := f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1, "user": "ada"}`)
	if anew.at(t, "id") == up.at(t, "id") || count("?user=ada") != 1 {
		t.Error("after a revoke the vote is a new one: " + anew.body)
	}
	wantError(t, f.do("DELETE", "/v1/feedback/fb-01JD3V5Q9M4T2YB1Z8X6W7C0AE", ""), 404, "id")
	wantError(t, f.do("DELETE", "/v1/feedback/x", ""), 404, "id")
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x"} {
		wantError(t, f.get("/v1/feedback"+query), 400, "limit")
	}
	wantError(t, f.get("/v1/feedback?foo=1"), 400, "foo")
	wantError(t, f.get("/v1/feedback?after=zz"), 400, "after")
}

func TestNext(t *testing.T) {
	f := newFixture(t)
	id := asked(t, f) // shows reply 3
	for i, want := range []string{"reply 2", "reply 1", "reply 0"} {
		a := f.post("/v1/generations/"+id+"/next", `{"user": "ada"}`)
		if a.status != 200 || a.at(t, "choices", 0, "message", "content") != want || a.at(t, "id") != id || a.at(t, "align", "chosen") != float64(2-i) {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	wantError(t, f.post("/v1/generations/"+id+"/next", `{"user": "ada"}`), 409, "id")

	var pairs []string
	for _, e := range f.get("/v1/feedback?kind=preference&user=ada").at(t, "data").([]any) {
		if dig(t, e, "source") != "implicit" {
			t.Errorf("%v", e)
		}
		pairs = append(pairs, strings.ReplaceAll(dig(t, e, "winner").(string)+">"+dig(t, e, "losers", 0).(string), id, ""))
	}
	if got := strings.Join(pairs, " "); got != ".2>.3 .1>.2 .0>.1" {
		t.Errorf("implied %s", got)
	}
	// A thumb on the generation means what is before the user's eyes.
	if a := f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1, "user": "ada"}`); a.at(t, "candidate") != id+".0" {
		t.Error(a.body)
	}
	// Somebody who did not ask for the next must say which of the shown ones is meant.
	wantError(t, f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1, "user": "bob"}`), 400, "id")
	wantError(t, f.post("/v1/generations/chatcmpl-x/next", ""), 404, "id")
	wantError(t, f.post("/v1/generations/"+id+"/next", `{"users": "ada"}`), 400, "users")
}

func TestNextSkipsEqualTextsAndTakesNoBody(t *testing.T) {
	f := newFixture(t)
	f.sampler.change = func(_ sampler.Request, r *sampler.Result) {
		for i := range r.Candidates {
			r.Candidates[i].Text = "the same"
		}
		r.Candidates[1].Text, r.Candidates[1].Reward = "other", nil
	}
	id := asked(t, f)
	if a := f.post("/v1/generations/"+id+".3/next", ""); a.at(t, "choices", 0, "message", "content") != "other" || a.at(t, "align", "reward") != nil {
		t.Error(a.body)
	}
	wantError(t, f.post("/v1/generations/"+id+"/next", ""), 409, "id")
}

func TestGenerationIsTheRecord(t *testing.T) {
	f := newFixture(t)
	f.sampler.change = func(_ sampler.Request, r *sampler.Result) {
		r.Candidates[1].Err = errors.New("broke")
		r.Candidates[1].Text = ""
		r.NDrawn, r.NFailed = 3, 1
	}
	a := f.post("/v1/chat/completions", ask(`"align": {"n": 4}`), "X-Session-Id", "s1")
	if a.at(t, "align", "chosen") != 2.0 || a.at(t, "align", "n_failed") != 1.0 {
		t.Error(a.body)
	}
	id := a.at(t, "id").(string)
	g := f.get("/v1/generations/" + id + ".0")
	if g.at(t, "id") != id || g.at(t, "session") != "s1" || len(g.at(t, "candidates").([]any)) != 3 ||
		g.at(t, "candidates", 2, "id") != id+".2" || g.at(t, "candidates", 2, "text") != "reply 3" || g.at(t, "candidates", 2, "shown") != true ||
		g.at(t, "policy", "name") != "base" || g.at(t, "sampler", "method") != "top_m" {
		t.Error(g.body)
	}
	wantError(t, f.get("/v1/generations/chatcmpl-01JD3V5Q9M4T2YB1Z8X6W7C0AE"), 404, "id")
	wantError(t, f.get("/v1/generations/a%20b"), 404, "id")
}

func TestVotesWhileTheStoreIsAway(t *testing.T) {
	away := &brokenLog{how: feedback.Spooled}
	f := newFixture(t, func(o *Options) { away.Log = o.Log; o.Log = &readless{away} })
	id := "chatcmpl-01JD3V5Q9M4T2YB1Z8X6W7C0AE"
	a := f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1}`)
	if a.status != 202 || a.at(t, "stored") != "spooled" || a.at(t, "candidate") != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantError(t, f.get("/v1/feedback"), 503, "")
	wantError(t, f.get("/v1/generations/"+id), 503, "")
	wantError(t, f.post("/v1/generations/"+id+"/next", ""), 503, "")
	away.err = errors.New("disk full")
	wantError(t, f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1}`), 503, "")
}

// readless is a log that can be written and not read, as one whose server is away.
type readless struct{ *brokenLog }

func (readless) Generation(context.Context, string) (feedback.Generation, error) {
	return feedback.Generation{}, errAway
}
func (readless) Events(context.Context, feedback.Query) ([]feedback.Event, string, error) {
	return nil, "", errAway
}

var errAway = &chat.Error{Kind: chat.Unavailable, Msg: "the store is away"}

func TestEraseUser(t *testing.T) {
	f := newFixture(t)
	id := asked(t, f)
	f.post("/v1/feedback", `{"id": "`+id+`", "kind": "thumb", "value": 1, "user": "ada"}`)
	a := f.do("DELETE", "/v1/users/ada", "")
	if a.status != 200 || a.at(t, "generations") != 1.0 || a.at(t, "events") != 1.0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantError(t, f.get("/v1/generations/"+id), 404, "id")
	wantError(t, f.do("DELETE", "/v1/users/"+strings.Repeat("x", 257), ""), 400, "user")
}
