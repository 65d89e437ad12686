// Package trltest is a trainer without Python, for tests of what starts one: it reads the same job, keeps to the same protocol and
// makes a PEFT adapter. It can also fail in each of the ways that a real one does.
package trltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"plumb/chat"
	"plumb/lm"
)

// Ways to go wrong.
const (
	Works     = ""
	Exits     = "exits"     // with a status, after it said why
	Nothing   = "nothing"   // it ends well and leaves nothing
	OtherBase = "base"      // its base has other weights; it does not end by itself
	OtherText = "template"  // its chat template is another
	Permuted  = "permuted"  // the adapter's rows are in another order than those it computed with
	Silent    = "silent"    // no log-probs are told
	Hangs     = "hangs"     // in the middle; once it is started again it goes on
	NotFinite = "notfinite" // its training has diverged
)

// Main is the command: args are the script and the job. base is the GGUF file that stands for the model in Hugging Face's form. It
// returns the exit status.
func Main(args []string, base, way string) int {
	if err := run(args, base, way); err != nil {
		fmt.Fprintln(os.Stderr, "trainer:", err)
		return 3
	}
	return 0
}

type job struct {
	Rank  int     `json:"rank"`
	Alpha float64 `json:"alpha"`
	Seed  int64   `json:"seed"`
	Rows  int     `json:"rows"`
	Check []struct {
		Prompt     []chat.Message `json:"prompt"`
		Completion []chat.Message `json:"completion"`
	} `json:"check"`
}

type report struct {
	Row    int      `json:"row"`
	Tokens []int32  `json:"tokens"`
	Start  int      `json:"start"`
	Base   float64  `json:"base"`
	After  *float64 `json:"after"`
}

func run(args []string, base, way string) error {
	if len(args) != 2 {
		return fmt.Errorf("got arguments %q, want the script and the job", args)
	}
	if _, err := os.Stat(args[0]); err != nil {
		return err
	}
	dir := filepath.Dir(args[1])
	b, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var j job
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	fmt.Println("loading the model")
	switch way {
	case Exits:
		return fmt.Errorf("CUDA out of memory")
	case Nothing:
		return nil
	}
	m, err := lm.Open(base)
	if err != nil {
		return err
	}
	defer m.Close()
	return train(dir, j, m, way)
}

func train(dir string, j job, m *lm.Model, way string) error {
	ad, err := m.NewAdapter(lm.LoRA{Rank: j.Rank, Alpha: j.Alpha, Seed: j.Seed})
	if err != nil {
		return err
	}
	reports, err := measure(j, m, nil, way)
	if err != nil {
		return err
	}
	if err := write(dir, reports, way); err != nil {
		return err
	}
	say(map[string]any{"plumb": "base"})
	if way == OtherBase {
		time.Sleep(time.Hour) // whoever reads the log-probs is to stop it
	}
	for step := range 3 {
		say(map[string]any{"plumb": "step", "step": step + 1, "steps": 3, "metrics": map[string]float64{"loss": .6 - .1*float64(step), "rewards/margins": float64(step)}})
		if checkpoint := filepath.Join(dir, "checkpoints"); way == Hangs && step == 1 {
			if _, err := os.Stat(checkpoint); err != nil {
				if err := os.Mkdir(checkpoint, 0o700); err != nil {
					return err
				}
				say(map[string]any{"plumb": "step", "step": 2, "steps": 3, "metrics": map[string]float64{"hangs": 1}})
				time.Sleep(time.Hour)
			}
		}
	}
	for i := range ad.Data {
		ad.Data[i] += float32(i%13-6) / 500
	}
	after, err := measure(j, m, ad, way)
	if err != nil {
		return err
	}
	for i := range reports {
		reports[i].After = &after[i].Base
	}
	if err := write(dir, reports, way); err != nil {
		return err
	}
	spoil(ad, way)
	return ad.WritePEFT(filepath.Join(dir, "adapter"), m, "fake")
}

// spoil changes the adapter after its log-probs were computed.
func spoil(ad *lm.Adapter, way string) {
	zero := float32(0)
	switch way {
	case Permuted:
		b := ad.Tensor("blk.0.attn_q.weight.lora_b")
		for i := range len(b) / 2 {
			b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
		}
		for i := range b {
			b[i] *= 30
		}
	case NotFinite:
		ad.Data[0] = zero / zero
	}
}

// measure computes the log-probs of the job's few rows.
func measure(j job, m *lm.Model, ad *lm.Adapter, way string) (all []report, err error) {
	for i, x := range j.Check {
		prompt := x.Prompt
		if way == OtherText {
			prompt = append([]chat.Message{{Role: chat.System, Content: "You are another."}}, prompt...)
		}
		s, err := m.EncodeChat(prompt, x.Completion[0].Content, true)
		if err != nil {
			return nil, err
		}
		s.Tokens = append(s.Tokens, m.Tokenizer().Encode("\n", true)...) // as ChatML has it after a turn
		p, err := m.Forward(ad, []lm.Tree{{Prompt: s.Tokens[:s.Start], Branches: [][]int32{s.Tokens[s.Start:]}}}, false)
		if err != nil {
			return nil, err
		}
		r := report{Row: i, Tokens: s.Tokens, Start: s.Start}
		for _, l := range p.Logprobs[0][0] {
			r.Base += l
		}
		p.Release()
		if way == OtherBase {
			r.Base *= 1.5
		}
		all = append(all, r)
	}
	return all, nil
}

func write(dir string, all []report, way string) error {
	if way == Silent {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, r := range all {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	// Whole at once, as train.py does: the reader may be at the last one still.
	path := filepath.Join(dir, "check.jsonl")
	if err := os.WriteFile(path+".new", b.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func say(event map[string]any) {
	name := event["plumb"]
	delete(event, "plumb")
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	rest := string(b[1:])
	if rest != "}" {
		rest = ", " + rest
	}
	fmt.Printf("{%q: %q%s\n", "plumb", name, rest)
}
