package ollama

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"plumb/chat"
	"plumb/clients/upstream"
)

const (
	begun = `{"message":{"role":"assistant","content":"a b"},"done":false}` + "\n"
	ended = `{"message":{"role":"assistant","content":""},"done":true,"done_reason":"length","prompt_eval_count":7,"eval_count":2}` + "\n"
)

func TestReadReply(t *testing.T) {
	for name, test := range map[string]struct {
		in       string
		logprobs bool
		text     string
		says     string // of the error
	}{
		"complete":                 {in: begun + begun + ended, text: "a ba b"},
		"no newline at the end":    {in: begun + strings.TrimSpace(ended), text: "a b"},
		"empty lines":              {in: "\n" + begun + "\r\n\n" + ended, text: "a b"},
		"what follows is not read": {in: begun + ended + "garbage", text: "a b"},
		"of generate":              {in: `{"response":"a","done":false}` + "\n" + `{"response":"b","done":true,"done_reason":"length"}`, text: "ab"},
		"nothing":                  {in: "", says: "unexpected EOF"},
		"no end":                   {in: begun, says: "unexpected EOF"},
		"half a line":              {in: begun + ended[:40], says: "JSON"},
		"an error":                 {in: begun + `{"error":"out of memory"}`, says: "out of memory"},
		"loaded only":              {in: `{"done":true,"done_reason":"load"}`, says: "load"},
		"log-probs missing":        {in: begun + ended, logprobs: true, says: "0.12.11"},
		"log-prob above 0":         {in: `{"message":{"content":"a"},"logprobs":[{"token":"a","logprob":2}]}`, logprobs: true, says: "log-prob"},
		"an endless line":          {in: `{"message":"` + strings.Repeat("x", upstream.MaxLine), says: "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			done, err := readReply(iotest.HalfReader(strings.NewReader(test.in)), test.logprobs, func(text string, _ []chat.TokenLogprob) { said += text })
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %+v, %v; want an error saying %q", done, err, test.says)
				}
				return
			}
			if err != nil || done.Text != test.text || said != test.text || done.Finish != chat.FinishLength {
				t.Errorf("got %+v, said %q, %v", done, said, err)
			}
		})
	}
}

func FuzzReadReply(f *testing.F) {
	f.Add([]byte(begun + ended))
	f.Add([]byte(ended))
	f.Add([]byte(`{"message":{"content":"a","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":true}`))
	f.Add([]byte(`{"message":{"content":"é"},"done":true,"logprobs":[{"token":"é","logprob":-1,"bytes":[195,169],"top_logprobs":[{"token":"e","logprob":-2}]}]}`))
	f.Add([]byte(`{"error":"no"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var said strings.Builder
		done, err := readReply(bytes.NewReader(in), true, func(text string, _ []chat.TokenLogprob) { said.WriteString(text) })
		if err != nil {
			return
		}
		if done.Text != said.String() || done.Finish == "" || done.Logprob == nil || math.IsNaN(*done.Logprob) {
			t.Errorf("got %+v, said %q", done, said.String())
		}
	})
}

func FuzzParseParameters(f *testing.F) {
	f.Add("stop                           \"<|im_start|>\"\nstop  \"a \\\"b\\\"\"\nnum_ctx 4096\ntemperature 0.7\nuse_mmap true")
	f.Add("stop \"unfinished\ntemperature")
	f.Fuzz(func(t *testing.T, text string) {
		parameters, err := parseParameters(text)
		if stops, ok := parameters["stop"]; ok && err == nil && len(stops.([]string)) == 0 {
			t.Errorf("%q gives no stops", text)
		}
		fromLine(text)
	})
}

func TestParseParameters(t *testing.T) {
	got, err := parseParameters("num_ctx                        4096\ntemperature                    0.7\nstop                           \"</s>\"\nuse_mmap  true\nstop  \"\\n\"\n")
	if err != nil || got["num_ctx"] != 4096 || got["temperature"] != 0.7 || got["use_mmap"] != true || strings.Join(got["stop"].([]string), "|") != "</s>|\n" {
		t.Errorf("%#v %v", got, err)
	}
	for _, bad := range []string{"temperature", `stop "open`} {
		if got, err := parseParameters(bad); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestFromLine(t *testing.T) {
	for in, want := range map[string]string{
		"# FROM no\n# x\n\nFROM /m/blobs/sha256-ab\nFROM /m/projector\n": "/m/blobs/sha256-ab",
		`from "C:\\models\\a b"`:    `C:\models\a b`,
		"TEMPLATE x\nPARAMETER y z": "",
	} {
		if got := fromLine(in); got != want {
			t.Errorf("fromLine(%q) = %q", in, got)
		}
	}
}

func TestSameModel(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"tiny", "tiny:latest", true},
		{"Tiny:LATEST", "tiny", true},
		{"tiny:1b", "tiny", false},
		{"host:80/tiny", "host:80/tiny:latest", true},
	} {
		if got := sameModel(test.a, test.b); got != test.want {
			t.Errorf("sameModel(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

// BenchmarkReadReply reads a streamed reply of 64 tokens.
func BenchmarkReadReply(b *testing.B) {
	in := strings.Repeat(begun, 64) + ended
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readReply(strings.NewReader(in), false, func(string, []chat.TokenLogprob) {}); err != nil {
			b.Fatal(err)
		}
	}
}
