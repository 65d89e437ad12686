package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plumb/chat"
)

var errPassing = &chat.Error{Kind: chat.Upstream, Msg: "passing"}

func TestContinueDeliversOneAtATime(t *testing.T) {
	var inside, most atomic.Int32
	pieces := make([]int, 16)
	err := Policy{}.Continue(t.Context(), 16, true, func(_ context.Context, i int, r *Reply) (chat.Completion, error) {
		for range 20 {
			r.Say("x", nil)
		}
		return chat.Completion{}, nil
	}, func(p chat.Piece) {
		most.Store(max(most.Load(), inside.Add(1)))
		pieces[p.Index]++
		inside.Add(-1)
	})
	if err != nil || most.Load() != 1 {
		t.Errorf("%v, %d at once", err, most.Load())
	}
	for i, n := range pieces {
		if n != 21 {
			t.Errorf("continuation %d has %d pieces", i, n)
		}
	}
}

func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		policy Policy
		begin  bool
		err    error
		want   int // times asked
	}{
		"default":         {Policy{}, false, errPassing, 3},
		"none":            {Policy{Retries: -1}, false, errPassing, 1},
		"five":            {Policy{Retries: 5}, false, errPassing, 6},
		"not once begun":  {Policy{}, true, errPassing, 1},
		"not what is bad": {Policy{}, false, &chat.Error{Kind: chat.Invalid}, 1},
		"not our faults":  {Policy{}, false, errors.New("a bug"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			test.policy.Backoff = time.Microsecond
			asked := 0
			var last chat.Piece
			err := test.policy.Continue(t.Context(), 1, false, func(_ context.Context, _ int, r *Reply) (chat.Completion, error) {
				asked++
				if test.begin {
					r.Begin()
				}
				return chat.Completion{}, test.err
			}, func(p chat.Piece) { last = p })
			if asked != test.want {
				t.Errorf("asked %d times, want %d", asked, test.want)
			}
			if chat.KindOf(test.err) == chat.Invalid {
				if err != test.err {
					t.Errorf("error %v", err)
				}
			} else if err != nil || last.Err != test.err || last.Retries != test.want-1 {
				t.Errorf("piece %+v, %v", last, err)
			}
		})
	}
}

// What would end the draw is a piece like any other once something was drawn.
func TestLateRefusalLeavesTheRest(t *testing.T) {
	drawn := make(chan struct{})
	refused := &chat.Error{Kind: chat.NotFound, Msg: "gone"}
	pieces := make([]chat.Piece, 3)
	err := Policy{}.Continue(t.Context(), 3, false, func(_ context.Context, i int, _ *Reply) (chat.Completion, error) {
		if i == 1 {
			<-drawn
			return chat.Completion{}, refused
		}
		return chat.Completion{Text: "fine"}, nil
	}, func(p chat.Piece) {
		if pieces[p.Index] = p; p.Index == 0 {
			close(drawn)
		}
	})
	if err != nil || pieces[0].Done == nil || pieces[2].Done == nil || pieces[1].Err != refused {
		t.Errorf("%+v, %v", pieces, err)
	}
}

func TestCancelWhileWaitingToRetry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Policy{Backoff: time.Hour}.Continue(ctx, 4, false, func(context.Context, int, *Reply) (chat.Completion, error) {
		cancel()
		return chat.Completion{}, errPassing
	}, func(p chat.Piece) { t.Errorf("piece %+v", p) })
	if err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestNothingToDraw(t *testing.T) {
	if err := (Policy{}).Continue(t.Context(), 0, false, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestStatusError(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		kind   chat.Kind
		says   string
	}{
		"ollama":        {404, `{"error":"model 'x' not found"}`, chat.NotFound, "model 'x' not found"},
		"openai":        {400, `{"error":{"message":"bad seed","code":null}}`, chat.Invalid, "bad seed"},
		"vllm":          {422, `{"message":"bad stop"}`, chat.Invalid, "bad stop"},
		"fastapi":       {422, `{"detail":"bad n"}`, chat.Invalid, "bad n"},
		"fastapi, list": {422, `{"detail":[{"msg":"bad n"}]}`, chat.Invalid, "bad n"},
		"a page":        {502, "<h1>Bad gateway\xff</h1>", chat.Upstream, "Bad gateway�"},
		"nothing":       {500, "", chat.Upstream, "Internal Server Error"},
		"an empty one":  {500, "{}", chat.Upstream, "Internal Server Error"},
		"a number":      {500, "7", chat.Upstream, "500: 7"},
		"endless":       {500, strings.Repeat("x", 1<<20), chat.Upstream, "xxx …"},
		"busy":          {503, "", chat.Unavailable, "after"},
	} {
		t.Run(name, func(t *testing.T) {
			resp := &http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(test.body))}
			err := StatusError("do it after", resp)
			if err.Kind != test.kind || !strings.Contains(err.Error(), test.says) || len(err.Error()) > 700 || err.RetryAfter != 7*time.Second {
				t.Errorf("%v %.200q", err.Kind, err)
			}
		})
	}
}

func TestRepliesAreBounded(t *testing.T) {
	body := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader("0123456789")), left: 4}
	if got, err := io.ReadAll(body); string(got) != "0123" || err == nil {
		t.Errorf("%q %v", got, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the prompt went elsewhere") }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	resp, err := NewHTTP().Post(s.URL, "text/plain", strings.NewReader("a secret"))
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Error(resp, err)
	}
}

func TestDrainKeepsTheConnection(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.RemoteAddr)
		w.(http.Flusher).Flush()
	}))
	defer s.Close()
	client := NewHTTP()
	addresses := map[string]bool{}
	for range 5 {
		resp, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64)
		n, _ := resp.Body.Read(buf)
		addresses[string(buf[:n])] = true
		Drain(resp.Body)
	}
	if len(addresses) != 1 {
		t.Errorf("five requests took %d connections", len(addresses))
	}
}
