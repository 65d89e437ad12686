package pairs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"plumb/chat"
)

// Class says which rule made a row.
type Class string

const (
	Compared      Class = "compared"
	Ranked        Class = "ranked"
	Edited        Class = "edited"
	Next          Class = "next"
	UpDown        Class = "up-down"
	Thumb         Class = "thumb"
	Rated         Class = "rated"
	Demonstration Class = "demonstration"
)

// Meta is where a row comes from.
type Meta struct {
	ID     string  `json:"id"` // hash of what the row says; rows with one ID are one row
	Class  Class   `json:"class"`
	Source string  `json:"source"` // human only if all of its events are a person's own word
	Weight float64 `json:"weight"` // (0, 3]
	// Confidence is the probability that the row is right, given who voted how and how reliable they are elsewhere; 0 where too few things
	// were judged twice to tell, and for behaviour.
	Confidence float64  `json:"confidence,omitempty"`
	Users      []string `json:"users,omitempty"`
	Events     []string `json:"events"`           // ids of the feedback it was made of
	Policy     string   `json:"policy,omitempty"` // digest of the model that drew the replies
	RM         string   `json:"rm,omitempty"`     // version of the reward model that scored them
	Prompt     string   `json:"prompt_key"`       // [PromptKey]
	Topic      string   `json:"topic_key"`        // [TopicKey], of near-duplicate prompts the smallest
}

// Preference says that of two replies to one prompt Chosen is liked better.
type Preference struct {
	Meta
	Messages []chat.Message `json:"messages"`
	Chosen   string         `json:"chosen"`
	Rejected string         `json:"rejected"`
}

// Unpaired is one reply with a verdict of its own.
type Unpaired struct {
	Meta
	Messages []chat.Message `json:"messages"`
	Reply    string         `json:"reply"`
	Label    bool           `json:"label"`  // liked
	Target   float64        `json:"target"` // how much, in [0, 1]: mean over the votes
}

// Wish is a prompt with the reply that a person wished for.
type Wish struct {
	Meta
	Messages   []chat.Message `json:"messages"`
	Reply      string         `json:"reply"`
	Candidates []string       `json:"candidates,omitempty"` // replies of the model to the same prompt
}

// Ranking is several replies to one prompt, best first. Its pairs are among the preferences as well.
type Ranking struct {
	Meta
	Messages []chat.Message `json:"messages"`
	Replies  []string       `json:"replies"`
}

// Set is all rows of a log, each kind sorted by ID, and what was left out.
type Set struct {
	Preferences    []Preference   `json:"preferences"`
	Unpaired       []Unpaired     `json:"unpaired"`
	Demonstrations []Wish         `json:"demonstrations"`
	Rankings       []Ranking      `json:"rankings"`
	Dropped        map[string]int `json:"dropped"` // records that became no row, by reason
	Voters         Voters         `json:"voters"`  // what the votes say of those who cast them
	Drawn          Drawn          `json:"drawn"`
}

// Drawn is how many different replies of the model itself are in the log.
type Drawn struct {
	Prompts int `json:"prompts"` // with two replies or more
	Replies int `json:"replies"` // to them
}

// Len returns the number of rows; rankings are not counted, since their pairs are.
func (s Set) Len() int { return len(s.Preferences) + len(s.Unpaired) + len(s.Demonstrations) }

// metas returns the provenance of all rows, rankings included, to read.
func (s Set) metas() []Meta {
	var all []Meta
	for _, r := range s.Preferences {
		all = append(all, r.Meta)
	}
	for _, r := range s.Unpaired {
		all = append(all, r.Meta)
	}
	for _, r := range s.Demonstrations {
		all = append(all, r.Meta)
	}
	for _, r := range s.Rankings {
		all = append(all, r.Meta)
	}
	return all
}

// each calls f for the provenance of every row, rankings included, to change.
func (s *Set) each(f func(*Meta)) {
	for i := range s.Preferences {
		f(&s.Preferences[i].Meta)
	}
	for i := range s.Unpaired {
		f(&s.Unpaired[i].Meta)
	}
	for i := range s.Demonstrations {
		f(&s.Demonstrations[i].Meta)
	}
	for i := range s.Rankings {
		f(&s.Rankings[i].Meta)
	}
}

// Where returns the rows that keep says yes to, with what is said of the whole.
func (s Set) Where(keep func(Meta) bool) Set { return s.filter(keep) }

// filter returns the rows that keep says yes to; what is said of the whole is shared.
func (s Set) filter(keep func(Meta) bool) Set {
	return Set{
		Preferences:    filtered(s.Preferences, func(r Preference) Meta { return r.Meta }, keep),
		Unpaired:       filtered(s.Unpaired, func(r Unpaired) Meta { return r.Meta }, keep),
		Demonstrations: filtered(s.Demonstrations, func(r Wish) Meta { return r.Meta }, keep),
		Rankings:       filtered(s.Rankings, func(r Ranking) Meta { return r.Meta }, keep),
		Dropped:        s.Dropped, Voters: s.Voters, Drawn: s.Drawn,
	}
}

func filtered[T any](rows []T, meta func(T) Meta, keep func(Meta) bool) []T {
	var kept []T
	for _, r := range rows {
		if keep(meta(r)) {
			kept = append(kept, r)
		}
	}
	return kept
}

// Human returns the rows made of people's own words alone: what may enter a gate.
func (s Set) Human() Set { return s.filter(func(m Meta) bool { return m.Source == "human" }) }

// rowID hashes what a row says.
func rowID(kind string, parts ...string) string {
	b, err := json.Marshal(append([]string{kind}, parts...))
	if err != nil {
		panic("pairs: strings do not marshal: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
