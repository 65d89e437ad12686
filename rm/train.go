package rm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Trainer fits reward models: an ensemble of linear heads over shared features, each on its own bootstrap sample of the
// prompts, from all kinds of feedback in one objective. The zero value works. The same data, in the same order, and the
// same Trainer give the same bytes whatever GOMAXPROCS is.
type Trainer struct {
	Features    Features // nil means NewLexical(0)
	Heads       int      // 1 … 64; 0 means 5
	DensePrior  float64  // standard deviation of the prior over the weights of the dense features; 0: chosen by cross-validation
	SparsePrior float64  // the same for the hashed words
	Smoothing   float64  // share of votes taken to be mistakes, in [0, ½)
	Centre      float64  // coefficient of (r_chosen + r_rejected)², which keeps rewards near 0 (Eisenstein et al. 2023, Eq. 2); 0 for none
	Tau         float64  // temperature of the demonstrations' listwise loss; 0 means 1
	MaxWeight   float64  // largest importance weight of a demonstration's candidate, in means of its list; 0 means √n of n (Ionides 2008), below 0 no limit
	OwnText     float64  // weight of Data.Own, as a share of everything else; 0: it is measured, not fitted
	Canaries    float64  // weight of the honest replies' comparisons with hacks made from them, as a share of all votes; 0 means .1, below 0 none
	Seed        int64    // of the bootstrap

	Run     string                           // id of the offline run, kept in the file
	Created string                           // RFC 3339, kept in the file; "" for none
	Log     func(format string, args ...any) // progress; nil for none
}

var (
	errNoData      = errors.New("fit reward model: no feedback: want pairs, thumbs, rankings or demonstrations")
	errNotPositive = errors.New("fit reward model: the features' covariance is not positive definite")
)

// Sizes up to which a fit is cross-validated; above, one prompt in ten is held out.
const (
	crossValidated = 10000 // different replies
	folds          = 5
)

// Fit fits a model. Cost: about a millisecond of processor time and 14 KB of memory a pair of replies of a hundred words,
// shared by the cores.
func (t Trainer) Fit(ctx context.Context, data Data) (*Model, error) {
	if err := t.defaults(); err != nil {
		return nil, err
	}
	c, err := newCorpus(data, t.Smoothing, t.Tau, t.MaxWeight)
	if err != nil {
		return nil, fmt.Errorf("fit reward model: %w", err)
	}
	switch {
	case c.terms() == 0 && len(data.Own) > 0:
		return nil, errOwnAlone
	case c.terms() == 0:
		return nil, errNoData
	}
	root := c.root()
	c.equalise()
	c.weighOwn(t.OwnText)
	x, err := extract(ctx, t.Features, c)
	if err != nil {
		return nil, fmt.Errorf("fit reward model: %w", err)
	}
	if err := c.addCanaries(ctx, t.Features, x, t.Canaries, t.Seed); err != nil {
		return nil, fmt.Errorf("fit reward model: %w", err)
	}
	t.Log("%d replies to %d prompts: %d dense and %d hashed features", c.rows(), len(c.groups), x.m.nd, x.m.ns)
	f := &fitting{Trainer: t, corpus: c, matrix: x.m, ctx: ctx}
	heads, report, err := f.run()
	if err != nil {
		return nil, err
	}
	c.effectiveSizes(&report.Metrics)
	for _, warning := range report.Warnings() {
		t.Log("warning: %s", warning)
	}
	m, err := f.model(x, heads, report)
	if err != nil {
		return nil, err
	}
	m.meta.DataRoot = root
	m.meta.Pairs, m.meta.Thumbs = len(data.Pairs), len(data.Thumbs)
	m.meta.Rankings, m.meta.Demonstrations = len(data.Rankings), len(data.Demonstrations)
	m.meta.Prompts = len(c.groups)
	if m, err = m.sealed(); err != nil {
		return nil, err
	}
	if err := m.testHacks(ctx, c); err != nil {
		return nil, err
	}
	return m.sealed()
}

func (t *Trainer) defaults() error {
	if t.Features == nil {
		t.Features = NewLexical(0)
	}
	if t.Heads == 0 {
		t.Heads = 5
	}
	if t.Tau == 0 {
		t.Tau = 1
	}
	if t.Canaries == 0 {
		t.Canaries = .1
	}
	if t.Log == nil {
		t.Log = func(string, ...any) {}
	}
	for _, p := range []struct {
		name      string
		value     float64
		low, high float64
	}{
		{"Heads", float64(t.Heads), 1, 64}, {"DensePrior", t.DensePrior, 0, 100}, {"SparsePrior", t.SparsePrior, 0, 1000},
		{"Smoothing", t.Smoothing, 0, .499}, {"Centre", t.Centre, 0, 1e3}, {"Tau", t.Tau, 1e-3, 1e3}, {"Canaries", t.Canaries, -1, 1},
		{"MaxWeight", t.MaxWeight, -1, 1e6}, {"OwnText", t.OwnText, 0, 10},
	} {
		if !(p.value >= p.low && p.value <= p.high) {
			return fmt.Errorf("fit reward model: %s: got %v, want %v … %v", p.name, p.value, p.low, p.high)
		}
	}
	return nil
}

// fitting is one call of [Trainer.Fit] under way.
type fitting struct {
	Trainer
	corpus *corpus
	matrix *matrix
	ctx    context.Context
}

// prior is the standard deviations of the weights of dense and sparse features.
type prior struct{ Dense, Sparse float64 }

// priors are tried in this order; the first is the choice where there is too little, or much, data to choose by.
var priors = []prior{{.2, 1}, {.05, 1}, {.2, 2}, {.5, 1}, {.1, .3}}

// outcome is what a fit says of feedback it has not seen: for each term of the corpus the logit that a calibrated model
// should put on its label.
type outcome struct {
	scores, labels, weights []float64
	ratios                  []float64 // importance weights of demonstrations' candidates, 1 on average; else 1
	kind                    []termKind
	group                   []int32
}

type termKind uint8

const (
	isPair termKind = iota
	isTie
	isThumb
	isList // of a ranking
	isDemonstration
	isOwn
)

// run chooses the prior, measures the fit on prompts it has not seen, and fits the heads. The weights of the heads are in
// units of log-odds that held-out votes bear out.
func (f *fitting) run() ([][]float64, report, error) {
	groups := len(f.corpus.groups)
	split := f.split(groups)
	chosen := prior{f.DensePrior, f.SparsePrior}
	if chosen.Dense == 0 || chosen.Sparse == 0 {
		var err error
		if chosen, err = f.choosePrior(split); err != nil {
			return nil, report{}, err
		}
	}
	var held outcome
	var heads [][]float64
	for k := range split.tested {
		var err error
		if heads, err = f.ensemble(chosen, split.train(k)); err != nil {
			return nil, report{}, err
		}
		f.predict(heads, func(g int32) bool { return split.fold[g] == k }, &held)
		f.Log("fold %d of %d", k+1, split.tested)
	}
	if split.tested != 1 { // what was fitted beside a single held-out part is the model
		var err error
		if heads, err = f.ensemble(chosen, func(int32) bool { return true }); err != nil {
			return nil, report{}, err
		}
	}
	r := f.report(held)
	r.Prior = chosen
	for _, h := range heads {
		for i := range h[:len(h)-1] { // all but eta, which has no unit of reward
			h[i] /= r.Temperature
		}
	}
	return heads, r, nil
}

// split assigns each prompt to a fold by chance, the same under the same seed. With much data only fold 0 is tested, one
// prompt in ten, and the model never sees it.
type split struct {
	fold   []int
	tested int
}

func (f *fitting) split(groups int) split {
	s := split{fold: make([]int, groups)}
	n := min(folds, groups)
	s.tested = n
	if f.corpus.rows() > crossValidated {
		n, s.tested = 10, 1
	}
	if groups < 2 {
		s.tested = 0
	}
	rng := rand.New(rand.NewPCG(uint64(f.Seed), 0x706c756d62)) // the stream of splits
	for i, g := range rng.Perm(groups) {
		s.fold[g] = i % n
	}
	return s
}

func (s split) train(k int) func(int32) bool { return func(g int32) bool { return s.fold[g] != k } }

// choosePrior takes the prior with the least held-out loss.
func (f *fitting) choosePrior(s split) (prior, error) {
	if s.tested < 2 {
		return f.override(priors[0]), nil
	}
	losses := make([]float64, len(priors)*s.tested)
	err := f.parallel(len(losses), func(i int) error {
		p, k := f.override(priors[i/s.tested]), i%s.tested
		w, err := f.objective(p, s.train(k), nil).minimise(nil, looseTolerance, 60)
		if err != nil {
			return err
		}
		var held outcome
		f.predict([][]float64{w}, func(g int32) bool { return s.fold[g] == k }, &held)
		for j, score := range held.scores {
			loss, _, _ := BradleyTerry(score, held.labels[j])
			losses[i] += held.weights[j] * loss
		}
		return nil
	})
	best, least := 0, math.Inf(1)
	for p := range priors {
		sum := 0.0
		for k := range s.tested {
			sum += losses[p*s.tested+k]
		}
		f.Log("prior %v: held-out loss %.2f", f.override(priors[p]), sum)
		if sum < least {
			best, least = p, sum
		}
	}
	return f.override(priors[best]), err
}

// override puts the Trainer's own settings in place of those of p.
func (f *fitting) override(p prior) prior {
	if f.DensePrior > 0 {
		p.Dense = f.DensePrior
	}
	if f.SparsePrior > 0 {
		p.Sparse = f.SparsePrior
	}
	return p
}

// Tolerances of the scaled partials: about the distance to the optimum in standard deviations of the posterior.
const (
	looseTolerance = 1e-1 // to choose by, or to start from
	tightTolerance = 2e-2
)

// ensemble fits the heads on the groups in use: one fit of all of them, from which each head starts on its own Bayesian
// bootstrap (Rubin 1981): a weight a prompt, drawn from the exponential distribution of mean 1. Unlike counts drawn with
// replacement it leaves no head without prompts when there are few.
func (f *fitting) ensemble(p prior, use func(int32) bool) ([][]float64, error) {
	tolerance := looseTolerance
	if f.Heads == 1 {
		tolerance = tightTolerance
	}
	o := f.objective(p, use, nil)
	first, err := o.minimise(nil, looseTolerance, 300)
	if err != nil {
		return nil, err
	}
	o.harden(first)
	all, err := o.minimise(first, tolerance, 300)
	if err != nil || f.Heads == 1 {
		return [][]float64{all}, err
	}
	heads, anchors := make([][]float64, f.Heads), f.anchors(p)
	err = f.parallel(f.Heads, func(k int) (err error) {
		rng := rand.New(rand.NewPCG(uint64(f.Seed), uint64(k)))
		scale := make([]float64, len(f.corpus.groups))
		for g := range scale {
			scale[g] = rng.ExpFloat64()
		}
		o := f.objective(p, use, scale)
		o.harden(first)
		o.anchor = anchors[k]
		heads[k], err = o.minimise(all, tightTolerance, 200)
		return err
	})
	return heads, err
}

// anchorSpread is the spread of the heads' anchors, as a share of the prior's standard deviation.
const anchorSpread = .5

// anchors centres each head's prior over the dense weights elsewhere, so that heads disagree where no vote has spoken; a
// bootstrap alone has them agree there (Osband, Aslanides & Cassirer 2018, https://arxiv.org/abs/1806.03335). The anchors sum
// to zero: the mean of the heads is what it would be without.
func (f *fitting) anchors(p prior) [][]float64 {
	rng := rand.New(rand.NewPCG(uint64(f.Seed), 0x616e63686f72))
	anchors := make([][]float64, f.Heads)
	for k := range anchors {
		anchors[k] = make([]float64, f.matrix.nd)
	}
	for j := range f.matrix.nd {
		sum := 0.0
		for _, a := range anchors {
			a[j] = anchorSpread * p.Dense * rng.NormFloat64()
			sum += a[j]
		}
		for _, a := range anchors {
			a[j] -= sum / float64(f.Heads)
		}
	}
	return anchors
}

// parallel runs f for 0 … n−1 on all cores and stops at the first error.
func (f *fitting) parallel(n int, each func(i int) error) error {
	g, ctx := errgroup.WithContext(f.ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return each(i)
		})
	}
	return g.Wait()
}

// objective is the loss over the groups in use.
func (f *fitting) objective(p prior, use func(int32) bool, scale []float64) *objective {
	o := &objective{m: f.matrix, scale: scale, denseL2: 1 / (p.Dense * p.Dense), sparseL2: 1 / (p.Sparse * p.Sparse), centre: f.Centre}
	for _, c := range f.corpus.comparisons {
		if use(c.group) {
			o.comparisons = append(o.comparisons, c)
			o.ties = o.ties || c.tie
		}
	}
	for _, j := range f.corpus.judgements {
		if use(j.group) {
			o.judgements = append(o.judgements, j)
		}
	}
	for _, c := range f.corpus.choices {
		if use(c.group) {
			o.choices = append(o.choices, c)
		}
	}
	return o
}

// predict appends to held what the mean of the heads says of the terms of the groups in use. Labels are 1 for pairs and lists,
// whose score is the reward difference (a list is as many pairs as there are losers); the target for thumbs, whose score is
// the reward over the outside option.
func (f *fitting) predict(heads [][]float64, use func(int32) bool, held *outcome) {
	mean := make([]float64, len(heads[0]))
	for _, h := range heads {
		for i, x := range h {
			mean[i] += x / float64(len(heads))
		}
	}
	rewards := make([]float64, f.matrix.rows())
	f.matrix.mul(rewards, mean)
	add := func(kind termKind, group int32, score, label, weight, ratio float64) {
		held.ratios = append(held.ratios, ratio)
		held.kind, held.group = append(held.kind, kind), append(held.group, group)
		held.scores, held.labels, held.weights = append(held.scores, score), append(held.labels, label), append(held.weights, weight)
	}
	for _, c := range f.corpus.comparisons {
		if c.canary || !use(c.group) {
			continue
		}
		switch difference := rewards[c.a] - rewards[c.b]; {
		case c.own:
			add(isOwn, c.group, difference, 1, c.weight, 1)
		case c.tie:
			add(isTie, c.group, difference, .5, c.weight, 1)
		default:
			add(isPair, c.group, difference, 1, c.weight, 1)
		}
	}
	outside := mean[len(mean)-2]
	for _, j := range f.corpus.judgements {
		if use(j.group) {
			add(isThumb, j.group, rewards[j.row]-outside, j.target, j.weight, 1)
		}
	}
	for i := range f.corpus.choices {
		c := &f.corpus.choices[i]
		if !use(c.group) {
			continue
		}
		kind := isList
		if c.demonstration {
			kind = isDemonstration
		}
		n, others := float64(len(c.rows)-1), 1-c.share(0)
		for k, row := range c.rows[1:] {
			share := c.share(k+1) / others
			add(kind, c.group, rewards[c.rows[0]]-rewards[row], 1, c.weight*share, n*share)
		}
	}
}
