package people

import "math/rand/v2"

// Crowd is people who like the same.
type Crowd struct {
	Taste Taste
	Noise float64 // share of what they say that is the contrary of what they mean, in [0, ½)
}

// Vote is what one person says of some replies to one prompt, named by their places: that Reply is better than Loser or, where
// Loser is −1, that it is good (Up) or not.
type Vote struct {
	Reply, Loser int
	Up           bool
	Wrong        bool // the person erred
}

// Compare has one person compare two of the replies; the person picks one that differs from the other in what matters to
// the person, if there is one. Where there is none, the person judges one reply instead. There must be replies.
func (c Crowd) Compare(random *rand.Rand, prompt string, replies []string) Vote {
	a := random.IntN(len(replies))
	b := a
	for _, i := range random.Perm(len(replies)) {
		if b = i; c.Taste.Holds(prompt, replies[a]) != c.Taste.Holds(prompt, replies[b]) {
			break
		}
	}
	v := Vote{Reply: a, Loser: -1, Wrong: random.Float64() < c.Noise}
	good, bad := c.Taste.Holds(prompt, replies[a]), c.Taste.Holds(prompt, replies[b])
	if good == bad {
		v.Up = good != v.Wrong
		return v
	}
	v.Loser = b
	if bad != v.Wrong { // b is to the taste and the vote is right, or the reverse of both
		v.Reply, v.Loser = b, a
	}
	return v
}

// Judge has one person say of one of the replies whether it is good.
func (c Crowd) Judge(random *rand.Rand, prompt string, replies []string) Vote {
	v := Vote{Reply: random.IntN(len(replies)), Loser: -1, Wrong: random.Float64() < c.Noise}
	v.Up = c.Taste.Holds(prompt, replies[v.Reply]) != v.Wrong
	return v
}

// Wish has one person name the reply that the person would have given: one to the taste or, where the person errs, one that
// is not. ok is false where there is no such reply among them; the person then says nothing.
func (c Crowd) Wish(random *rand.Rand, prompt string, replies []string) (v Vote, ok bool) {
	v = Vote{Loser: -1, Up: true, Wrong: random.Float64() < c.Noise}
	for _, i := range random.Perm(len(replies)) {
		if c.Taste.Holds(prompt, replies[i]) != v.Wrong {
			v.Reply = i
			return v, true
		}
	}
	return Vote{}, false
}
