package lm

import (
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm/gguf"
)

// familyChat opens a sketch with the vocabulary and the chat template of a real family.
func familyChat(t *testing.T, vocabulary, template string, tokens map[string]tokenizerKeys) *Model {
	t.Helper()
	var templates struct {
		Templates []struct {
			Name, Template string
			BOS            string `json:"bos_token"`
			EOS            string `json:"eos_token"`
		}
	}
	golden(t, "../template/testdata/chat_templates.json.gz", &templates)
	k := tokens[vocabulary].Keys
	s := sketch{tied: true, layers: 1, tensor: func(name string) ([]uint64, bool) {
		return []uint64{sketchDim, uint64(len(k.Tokens))}, name == "token_embd.weight"
	}}
	set := func(key string, value any) {
		s.set = append(s.set, gguf.Pair{Key: "tokenizer." + key, Value: value})
	}
	set("ggml.model", k.Model)
	set("ggml.pre", k.Pre)
	set("ggml.tokens", k.Tokens)
	set("ggml.token_type", k.Types)
	set("ggml.merges", k.Merges)
	if k.Scores != nil {
		set("ggml.scores", k.Scores)
		set("ggml.add_space_prefix", k.Prefix)
	}
	for _, tmpl := range templates.Templates {
		if tmpl.Name == template {
			set("chat_template", tmpl.Template)
			for i, text := range k.Tokens {
				switch text {
				case tmpl.BOS:
					set("ggml.bos_token_id", uint32(i))
				case tmpl.EOS:
					set("ggml.eos_token_id", uint32(i))
				}
			}
		}
	}
	return s.open(t, 1)
}

type tokenizerKeys struct {
	Keys struct {
		Model, Pre     string
		Tokens, Merges []string
		Types          []int32 `json:"token_type"`
		Scores         []float32
		Prefix         bool `json:"add_space_prefix"`
	}
}

// With each family's template and vocabulary the completion is what comes after the opened turn, and its end is the family's.
func TestEncodeChatInEveryFamily(t *testing.T) {
	var tokens map[string]tokenizerKeys
	golden(t, "../token/testdata/families.json.gz", &tokens)
	for _, c := range []struct{ template, vocabulary, opened, end string }{
		{"llama3", "llama-bpe", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},
		{"qwen3", "qwen2", "<|im_start|>assistant\n", "<|im_end|>"},
		{"gemma3", "gemma", "<start_of_turn>model\n", "<end_of_turn>"},
		{"mistral", "mistral", "[/INST]", "</s>"},
	} {
		m := familyChat(t, c.vocabulary, c.template, tokens)
		messages := []chat.Message{{Role: chat.User, Content: "Hi there"}, {Role: chat.Assistant, Content: "Hello!"}, {Role: chat.User, Content: "And now?"}}
		for _, completion := range []string{"Now it rains.", "7", "if x:\n    y", "<think>\nWell.\n</think>\n\nYes.", "*", "Ünder"} {
			s, err := m.EncodeChat(messages, completion, true)
			if err != nil {
				t.Errorf("%s, %q: %v", c.template, completion, err)
				continue
			}
			prompt, reply := string(m.Tokenizer().Bytes(s.Tokens[:s.Start])), string(m.Tokenizer().Bytes(s.Tokens[s.Start:]))
			if !strings.HasSuffix(prompt, c.opened) || !strings.Contains(prompt, "And now?") {
				t.Errorf("%s: the prompt %q does not end with %q", c.template, prompt, c.opened)
			}
			if strings.TrimPrefix(reply, " ") != completion+c.end {
				t.Errorf("%s: the completion is %q, want %q", c.template, reply, completion+c.end)
			}
			if last := s.Tokens[len(s.Tokens)-1]; !m.Tokenizer().IsEnd(last) {
				t.Errorf("%s: the last token %q ends nothing", c.template, m.Tokenizer().Piece(last))
			}
		}
	}
}
