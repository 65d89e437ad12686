package train

import (
	"plumb/offline/checkpoint"
	"plumb/offline/loss"
)

// saved is the header of a training's checkpoint. After it come the parameters and Adam's two means, N values each.
type saved struct {
	Fingerprint string     `json:"fingerprint"` // of the training it belongs to
	Step        int        `json:"step"`        // steps made
	Adam        int        `json:"adam"`        // steps Adam has made
	N           int        `json:"n"`           // parameters
	Delta       loss.Delta `json:"delta"`       // BCO's threshold
	Last        Step       `json:"last"`        // what the last step measured
}

// resume goes on from the checkpoint if there is one, and returns the steps already made.
func (r *run) resume(rows string) (step int, fingerprint string, err error) {
	fingerprint, err = checkpoint.Fingerprint(r.Config, r.params.Data, r.Model.Digest(), rows)
	if err != nil || r.Dir == "" {
		return 0, fingerprint, err
	}
	var s saved
	n := len(r.params.Data)
	m, v := make([]float32, n), make([]float32, n)
	ok, err := checkpoint.Load(r.Dir, fingerprint, &s, r.params.Data, m, v)
	if err != nil || !ok {
		return 0, fingerprint, err
	}
	r.adam.T, r.adam.M, r.adam.V = s.Adam, m, v
	r.delta, r.last = s.Delta, s.Last
	return s.Step, fingerprint, nil
}

func (r *run) save(fingerprint string) error {
	s := saved{fingerprint, r.last.Step, r.adam.T, len(r.params.Data), r.delta, r.last}
	return checkpoint.Save(r.Dir, s, r.params.Data, r.adam.M, r.adam.V)
}
