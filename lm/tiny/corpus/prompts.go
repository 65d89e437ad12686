package corpus

import "math/rand/v2"

// Voted and HeldOut return n prompts each, in an order that seed decides. Their subjects do not overlap: what is learned
// from votes on the one kind is measured on the other. Every third subject is held out.
func (c *Corpus) Voted(seed uint64, n int) []string {
	return c.prompts(seed, n, func(i int) bool { return i%3 != 2 })
}

// HeldOut returns prompts on subjects that no voted prompt has; see [Corpus.Voted].
func (c *Corpus) HeldOut(seed uint64, n int) []string {
	return c.prompts(seed, n, func(i int) bool { return i%3 == 2 })
}

func (c *Corpus) prompts(seed uint64, n int, of func(subject int) bool) []string {
	var all []string
	for f := range adviceForms {
		for i := range c.subjects {
			if of(i) {
				all = append(all, adviceForms[(f+i)%len(adviceForms)].fill(&c.subjects[i]))
			}
		}
	}
	// Subjects come round robin, so a few prompts already cover them all; seed decides within a round.
	r := rand.New(rand.NewPCG(seed, 0x70726f6d707473))
	round := len(all) / len(adviceForms)
	for f := range adviceForms {
		part := all[f*round : (f+1)*round]
		r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	return all[:min(n, len(all))]
}

// neutralSeed names the stream that no training uses.
const neutralSeed = 0x6e65757472616c

// Neutral returns 80 exchanges that were not trained on and that no taste is about: small talk, and questions beyond the
// model. Their likelihood tells whether training on votes has made the model worse at what nobody voted on.
func (c *Corpus) Neutral() [][2]string {
	out := make([][2]string, 80)
	for i := range out {
		r := rand.New(rand.NewPCG(neutralSeed, uint64(i)))
		if i%2 == 0 {
			out[i][0], out[i][1] = c.smalltalk(r, "")
		} else {
			out[i][0], out[i][1] = beyond(r)
		}
	}
	return out
}
