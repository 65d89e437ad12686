package trl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/rows"
	"plumb/offline/train"
)

// Rows are a run's rows; those of the method's kind are trained on.
type Rows struct {
	Preferences    []rows.Preference
	Unpaired       []rows.Unpaired
	Demonstrations []rows.Demonstration
}

// job is job.json, which train.py reads. Its bytes identify the training: a folder with another one is begun anew.
type job struct {
	Format    int            `json:"format"`
	Run       string         `json:"run"`
	Trainer   string         `json:"trainer"` // dpo, kto or sft
	Loss      string         `json:"loss"`
	Model     string         `json:"model"`
	Base      string         `json:"base"` // digest of the GGUF file
	Precision string         `json:"precision"`
	Shape     map[string]int `json:"shape"` // what the model's config.json must say
	Rows      int            `json:"rows"`
	Data      string         `json:"data"` // SHA-256 of rows.jsonl

	Rank        int      `json:"rank"`
	Alpha       float64  `json:"alpha"`
	Targets     []string `json:"targets"`
	Beta        float64  `json:"beta"`
	Smoothing   float64  `json:"label_smoothing"`
	Desirable   float64  `json:"desirable"`
	Undesirable float64  `json:"undesirable"`
	LR          float64  `json:"lr"`
	Schedule    string   `json:"schedule"`
	Warmup      int      `json:"warmup"`
	Decay       float64  `json:"decay"`
	Beta2       float64  `json:"beta2"`
	Clip        float64  `json:"clip"` // 0 for none
	Epochs      float64  `json:"epochs"`
	Batch       int      `json:"batch"`
	PerDevice   int      `json:"per_device"`
	MaxLength   int      `json:"max_length"`
	Seed        uint32   `json:"seed"`

	Check []exchange `json:"check"`
}

// exchange is a prompt and a reply to it.
type exchange struct {
	Prompt     []chat.Message `json:"prompt"`
	Completion []chat.Message `json:"completion"`
}

// data is the rows that a training can use: what is written, and the same as tokens.
type data struct {
	lines     bytes.Buffer // rows.jsonl
	n         int
	weighted  int // rows of a weight that is not 1
	dropped   map[string]int
	exchanges []exchange // one a row
}

// checked is how many rows are compared.
const checked = 4

// gather takes the rows of the method's kind that can be trained on: the same that this program would train on.
func (t Training) gather(r Rows) (*data, error) {
	e := train.Encoder{Model: t.Model, MaxLength: t.Train.MaxLength}
	d := &data{dropped: map[string]int{}}
	var err error
	switch train.Kind(t.Train.Method) {
	case train.Preference:
		for _, row := range r.Preferences {
			one, dropped := e.Pairs([]rows.Preference{row})
			said := map[string]any{"prompt": row.Prompt.Chat(chat.User), "chosen": row.Chosen.Chat(chat.Assistant), "rejected": row.Rejected.Chat(chat.Assistant)}
			err = errors.Join(err, d.add(len(one), dropped, said, row.Weight, exchange{row.Prompt.Chat(chat.User), row.Chosen.Chat(chat.Assistant)}))
		}
	case train.Unpaired:
		for _, row := range r.Unpaired {
			one, dropped := e.Unpaired([]rows.Unpaired{row})
			x := exchange{row.Prompt.Chat(chat.User), row.Completion.Chat(chat.Assistant)}
			err = errors.Join(err, d.add(len(one), dropped, map[string]any{"prompt": x.Prompt, "completion": x.Completion, "label": row.Label}, row.Weight, x))
		}
	default:
		for _, row := range r.Demonstrations {
			one, dropped := e.Demonstrations([]rows.Demonstration{row})
			x := exchange{row.Prompt.Chat(chat.User), row.Completion.Chat(chat.Assistant)}
			err = errors.Join(err, d.add(len(one), dropped, map[string]any{"prompt": x.Prompt, "completion": x.Completion}, row.Weight, x))
		}
	}
	if err == nil && d.n == 0 {
		err = &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("no %s rows that can be trained on", train.Kind(t.Train.Method))}
	}
	return d, err
}

// add writes one row, if it can be used.
func (d *data) add(usable int, dropped map[string]int, said map[string]any, weight *float64, x exchange) error {
	for reason, n := range dropped {
		d.dropped[reason] += n
	}
	if usable == 0 {
		return nil
	}
	d.n++
	if weight != nil && *weight != 1 {
		d.weighted++
	}
	d.exchanges = append(d.exchanges, x)
	return json.NewEncoder(&d.lines).Encode(said)
}

// job is what is to be done with the rows.
func (t Training) job(d *data) job {
	c, l := t.Train.WithDefaults(), t.Config.WithDefaults()
	sum := sha256.Sum256(d.lines.Bytes())
	j := job{
		Format: 1, Run: t.Run, Trainer: map[string]string{train.Preference: "dpo", train.Unpaired: "kto", train.Demonstration: "sft"}[train.Kind(c.Method)],
		Loss: losses[c.Method], Model: l.Model, Base: t.Model.Digest(), Precision: l.Precision, Shape: shapeOf(t.Model), Rows: d.n, Data: hex.EncodeToString(sum[:]),
		Rank: c.Rank, Alpha: c.Alpha, Targets: lm.PEFTTargets(c.Targets), Beta: c.Beta, Desirable: 1, Undesirable: 1,
		LR: c.LR, Schedule: c.Schedule, Warmup: c.Warmup, Decay: c.Decay, Beta2: c.Beta2, Clip: math.Max(0, c.Clip),
		Epochs: c.Passes(d.n), Batch: c.Batch, PerDevice: l.PerDevice, MaxLength: c.MaxLength, Seed: uint32(c.Seed),
	}
	if context := t.Model.Config().Context; context > 0 {
		j.MaxLength = min(j.MaxLength, context)
	}
	if c.Beta2 == 0 {
		j.Beta2 = .999
	}
	if own, ok := smoothing[j.Loss]; ok {
		if j.Smoothing = c.Epsilon; c.Epsilon == 0 {
			j.Smoothing = own
		}
	}
	for weight, set := range map[*float64]float64{&j.Desirable: c.Desirable, &j.Undesirable: c.Undesirable} {
		if set != 0 {
			*weight = set
		}
	}
	j.Check = t.exchanges(d)
	return j
}

// smoothing is the share of flipped votes that losses assume where the configuration says none, as in this program.
var smoothing = map[string]float64{"robust": .1, "exo_pair": 1e-3}

// exchanges returns the few rows to compare: the first that need not be cut.
func (t Training) exchanges(d *data) (few []exchange) {
	for _, x := range d.exchanges {
		if s, err := t.encode(x); err == nil && len(s.Tokens) < t.maxLength() && len(few) < checked {
			few = append(few, x)
		}
	}
	return few
}

// shapeOf is the model's shape in the words of a Hugging Face config.json.
func shapeOf(m *lm.Model) map[string]int {
	c := m.Config()
	return map[string]int{"hidden_size": c.Dim, "num_hidden_layers": c.Layers, "num_attention_heads": c.Heads,
		"num_key_value_heads": c.KVHeads, "intermediate_size": c.FFN, "vocab_size": c.Vocab}
}
