package pairs

import "math"

// Agreement is how far people who judged the same things agree. Things that one person alone judged are not in it.
type Agreement struct {
	Things int `json:"things"` // judged by two people or more
	Votes  int `json:"votes"`  // on them
	// Share is the probability that two people who judged one thing say the same; nil without such things.
	Share *float64 `json:"share"`
	// Alpha is Krippendorff's for nominal data: 1 is perfect, 0 what chance gives, below 0 worse than that; nil where everybody always
	// says the same of everything, since then nothing tells agreement from habit.
	Alpha *float64 `json:"alpha"`
}

// agreement measures items.
//
// Krippendorff 2011, "Computing Krippendorff's alpha-reliability", part C: nominal data, any number of observers, missing data. With
// o_ck the coincidences of values c ≠ k over pairs of ballots, each thing of m ballots counted with weight 1/(m − 1), and n_c the ballots
// of value c among n: α = 1 − (n − 1)·Σ o_ck / Σ n_c·n_k.
func agreement(items []item) (a Agreement) {
	differ, ups, downs := 0., 0., 0.
	for _, i := range items {
		if len(i) < 2 {
			continue
		}
		up, down := i.counts()
		a.Things++
		a.Votes += len(i)
		ups, downs = ups+float64(up), downs+float64(down)
		differ += 2 * float64(up) * float64(down) / float64(len(i)-1)
	}
	if a.Things == 0 {
		return a
	}
	n := ups + downs
	share := 1 - differ/n
	a.Share = &share
	if expected := 2 * ups * downs; expected > 0 {
		alpha := 1 - (n-1)*differ/expected
		a.Alpha = &alpha
	}
	return a
}

// Noise is the share of votes that say the opposite of what people agree on.
type Noise struct {
	Epsilon float64 `json:"epsilon"` // [0, ½)
	Lo      float64 `json:"lo"`      // 95 % interval
	Hi      float64 `json:"hi"`
	Votes   int     `json:"votes"` // on things that were judged more than once
}

// pile is how many things were judged alike: by so many for and so many against, a share of them being truly good where that is known.
type pile struct {
	up, down int
	verdicts bool
}

// wilks is half the .95 quantile of χ² with one degree of freedom.
const wilks = 1.920729

// noise estimates ε by maximum likelihood over all things that were judged more than once: with each ballot wrong with probability ε,
// whoever cast it, a thing with a ballots for and b against has the probability
//
//	π(1−ε)^a·ε^b + (1−π)·ε^a·(1−ε)^b,
//
// π = ½ for comparisons, whose two sides are alike, and for verdicts the share of good replies that gives the share of votes for,
// m = π(1−ε) + (1−π)ε. What a person said twice is a thing with two ballots. The interval is where the log-likelihood is within 1.92 of
// its top (Wilks 1938). Both are read off a grid of steps of .001. nil where fewer than least ballots say anything.
//
// The model is Dawid & Skene's (1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm") with one rate.
func noise(comparisons, verdicts []item, self Consistency, least int) *Noise {
	piles := map[pile]int{}
	votes, ups, all := 0, 0., 0.
	gather := func(items []item, v bool) {
		for _, i := range items {
			up, down := i.counts()
			if v {
				ups, all = ups+float64(up), all+float64(len(i))
			} else if up < down {
				up, down = down, up // the two sides of a comparison are alike
			}
			if len(i) >= 2 {
				piles[pile{up, down, v}]++
				votes += len(i)
			}
		}
	}
	gather(comparisons, false)
	gather(verdicts, true)
	piles[pile{2, 0, false}] += self.Same
	piles[pile{1, 1, false}] += self.Opposite
	if votes += 2 * (self.Same + self.Opposite); votes < least {
		return nil
	}
	share := .5
	if all > 0 {
		share = ups / all
	}
	order := sortedPiles(piles)
	const step, steps = .001, 500
	var l [steps]float64
	best := 0
	for k := range l {
		e := (float64(k) + .5) * step
		pi := math.Max(0, math.Min(1, (share-e)/(1-2*e)))
		for _, p := range order {
			l[k] += float64(piles[p]) * p.logLikelihood(e, pi)
		}
		if l[k] > l[best] {
			best = k
		}
	}
	n := &Noise{Epsilon: (float64(best) + .5) * step, Lo: 0, Hi: .5, Votes: votes}
	for k := best; k >= 0; k-- {
		if l[k] < l[best]-wilks {
			n.Lo = float64(k+1) * step
			break
		}
	}
	for k := best; k < steps; k++ {
		if l[k] < l[best]-wilks {
			n.Hi = float64(k) * step
			break
		}
	}
	return n
}

func (p pile) logLikelihood(e, pi float64) float64 {
	if !p.verdicts {
		pi = .5
	}
	right, wrong := math.Log1p(-e), math.Log(e)
	good := math.Log(pi) + float64(p.up)*right + float64(p.down)*wrong
	bad := math.Log1p(-pi) + float64(p.up)*wrong + float64(p.down)*right
	top := math.Max(good, bad)
	return top + math.Log(math.Exp(good-top)+math.Exp(bad-top))
}
