package registry

import "time"

// Release is what can be live: a policy and the reward model that goes with it.
type Release struct {
	Model  string `json:"model"`            // the upstream's name for it
	Digest string `json:"digest,omitempty"` // content digest of the model
	RM     string `json:"rm,omitempty"`     // blob hash of the reward model, "" for none
	Run    string `json:"run,omitempty"`    // the run that made it, "" for the untouched base
}

// Alias is a name under which a release answers ("plumb").
type Alias struct {
	Name     string    `json:"name"`
	Live     *Release  `json:"live"`
	Previous *Release  `json:"previous"`
	Canary   *Release  `json:"canary"`
	Share    float64   `json:"share"` // of users who get the canary, [0, 1]
	Shadow   *Shadow   `json:"shadow,omitempty"`
	Version  int64     `json:"version"`
	Updated  time.Time `json:"updated"`
}

// Shadow says that the canary answers nobody yet, but so many requests unseen, beside what is live.
type Shadow struct {
	Replies int     `json:"replies"` // unseen ones that are looked at before people get it
	Share   float64 `json:"share"`   // of users who get it then; 0 is all of them: it is live
}

// EndCanary leaves nothing of a canary, nor of its shadow.
func (a *Alias) EndCanary() { a.Canary, a.Share, a.Shadow = nil, 0, nil }
