package offline

import (
	"context"
	"crypto/sha256"
	"slices"

	"plumb/offline/evaluate"
	"plumb/offline/gate"
	"plumb/offline/pairs"
)

// fewestOthers is from how many held-out votes of half of the users a second opinion is taken from those users alone, and from how many
// users.
const (
	fewestOthers = 50
	fewestVoters = 10
)

// opinions returns the votes that the training reward and the second opinion are fitted on for the gate. No prompt is in both. Where there
// are enough held-out votes for it, no user is either: half of the users then speak in the one and half in the other.
func opinions(s split) (training, second pairs.Set, otherUsers bool) {
	training, second = s.Train, s.HeldOut.Human()
	if s.Divided.ByUser {
		return training, second, true
	}
	if len(second.Users()) < fewestVoters {
		return training, second, false
	}
	other := func(user string) bool { return sha256.Sum256([]byte("second opinion\x00" + user))[0]&1 == 1 }
	theirs := second.By(func(users []string) bool {
		return len(users) > 0 && !slices.ContainsFunc(users, func(u string) bool { return !other(u) })
	})
	if theirs.Len() < fewestOthers {
		return training, second, false
	}
	return training.By(func(users []string) bool { return !slices.ContainsFunc(users, other) }), theirs, true
}

// proxy fits the reward that the policy's own votes make, or was trained to raise: what it can learn to please without being better. nil
// where they make none. A fit costs about a millisecond of processor time a vote.
func (w *work) proxy(ctx context.Context, training pairs.Set) (evaluate.Judge, gate.Judge, error) {
	if reinforces(w.run.Method) {
		training, _ = watched(training)
	}
	data := training.RewardData()
	n := len(data.Pairs) + len(data.Thumbs) + len(data.Rankings) + len(data.Demonstrations)
	if n == 0 {
		return nil, gate.Judge{}, nil
	}
	m, err := w.fitReward(ctx, training, 0)
	if err != nil {
		return nil, gate.Judge{}, err
	}
	return m, judgeOf(n, m.Meta().Metrics), nil
}
