package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"plumb/chat"
	"plumb/sampler"
)

// The official client, as a stock application would use it.
func officialClient(f *fixture) openai.Client {
	return openai.NewClient(option.WithBaseURL(f.http.URL+"/v1/"), option.WithAPIKey("unused"), option.WithMaxRetries(0))
}

func tea() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "plumb", Messages: []openai.ChatCompletionMessageParamUnion{
		openai.SystemMessage("Be brief."), openai.UserMessage("Tea?")}}
}

func TestOfficialClientAsks(t *testing.T) {
	client := officialClient(newFixture(t))
	q := tea()
	q.N, q.Seed, q.MaxCompletionTokens, q.Temperature = openai.Int(3), openai.Int(7), openai.Int(9), openai.Float(.5)
	q.User, q.Logprobs, q.TopLogprobs = openai.String("ada"), openai.Bool(true), openai.Int(1)
	q.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"END"}}
	done, err := client.Chat.Completions.New(context.Background(), q, option.WithJSONSet("align", map[string]any{"n": 4, "candidates": true}))
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Choices) != 3 || done.Choices[0].Message.Content != "reply 3" || done.Choices[0].FinishReason != "stop" ||
		done.Usage.CompletionTokens != 20 || len(done.Choices[0].Logprobs.Content) != 1 || !strings.Contains(done.JSON.ExtraFields["align"].Raw(), `"n_drawn":4`) {
		t.Errorf("%s", done.RawJSON())
	}
	// A reply can go back into the conversation as it came.
	q.Messages = append(q.Messages, done.Choices[0].Message.ToParam(), openai.UserMessage("More."))
	if _, err := client.Chat.Completions.New(context.Background(), q); err != nil {
		t.Error(err)
	}
}

func TestOfficialClientStreams(t *testing.T) {
	f := newFixture(t)
	client := officialClient(f)
	for _, model := range []string{"plumb@none", "plumb@bon4"} {
		q := tea()
		q.Model = model
		q.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		stream := client.Chat.Completions.NewStreaming(context.Background(), q)
		var all openai.ChatCompletionAccumulator
		for stream.Next() {
			if !all.AddChunk(stream.Current()) {
				t.Fatal("the accumulator refuses a chunk: " + stream.Current().RawJSON())
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(all.Choices[0].Message.Content, "reply ") || all.Choices[0].FinishReason != "stop" || all.Usage.CompletionTokens == 0 {
			t.Errorf("%s: %+v", model, all.ChatCompletion)
		}
	}
	f.sampler.before = func(_ context.Context, r sampler.Request) error {
		r.Stream(chat.Piece{Text: "early"})
		return &chat.Error{Kind: chat.Upstream, Msg: "the connection broke"}
	}
	q := tea()
	q.Model = "plumb@none"
	stream := client.Chat.Completions.NewStreaming(context.Background(), q)
	for stream.Next() {
	}
	if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "the connection broke") {
		t.Errorf("a broken stream ended with %v", err)
	}
}

func TestOfficialClientSeesErrors(t *testing.T) {
	f := newFixture(t)
	client := officialClient(f)
	check := func(err error, status int, param string) {
		t.Helper()
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != status || e.Param != param || e.Message == "" || e.Type == "" {
			t.Errorf("got %v", err)
		}
	}
	q := tea()
	q.N = openai.Int(0)
	_, err := client.Chat.Completions.New(context.Background(), q)
	check(err, 400, "n")
	q = tea()
	q.Model = "gpt-9"
	_, err = client.Chat.Completions.New(context.Background(), q)
	check(err, 404, "model")
	f.sampler.before = func(context.Context, sampler.Request) error {
		return &chat.Error{Kind: chat.Upstream, Msg: "all failed"}
	}
	_, err = client.Chat.Completions.New(context.Background(), tea())
	check(err, 502, "")
}

func TestOfficialClientListsModels(t *testing.T) {
	client := officialClient(newFixture(t))
	models, err := client.Models.List(context.Background())
	if err != nil || len(models.Data) != 3 || models.Data[0].ID != "plumb" {
		t.Errorf("%v %v", models, err)
	}
	model, err := client.Models.Get(context.Background(), "hf.co/a/b:q4")
	if err != nil || model.ID != "hf.co/a/b:q4" {
		t.Errorf("%v %v", model, err)
	}
}
