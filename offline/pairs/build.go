package pairs

import (
	"cmp"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/feedback"
)

// Options are the rules' settings. The zero value is what runs use.
type Options struct {
	Sources     []string // taken; nil means human, implicit and import
	UserShare   float64  // most of the rows of a kind that one user may supply, with five users or more; 0 means .25, 1 no limit
	PromptRows  int      // most rows of a kind that prompts of one topic may supply; 0 means 32, −1 no limit
	TrivialEdit float64  // share of words changed up to which an edit, or a pair of replies, says nothing; 0 means .05
	Near        float64  // share of runs of three words in common from which prompts are one topic; 0 means .7, above 1 nothing is taken for a near-duplicate
	EqualUsers  bool     // everybody's vote counts alike, however often others contradict it

	// BalanceLength reweights pairs so that chosen replies are, on average, as long as rejected ones: see [Lengths].
	BalanceLength bool
}

// Reasons in [Set.Dropped].
const (
	dropSource        = "source is not taken: " // and the source
	dropComment       = "a comment prefers nothing"
	dropGone          = "the generation is gone"
	dropUnknown       = "names a reply that the generation has not"
	dropNoText        = "a reply has no text"
	dropEqual         = "the replies are equal"
	dropTrivial       = "the edit changed next to nothing"
	dropNeutral       = "a middling rating"
	dropLater         = "a later vote of the same user counts"
	dropNextRejected  = "the next reply was disliked too"
	dropContradiction = "contradicted by other votes"
	dropUserShare     = "over one user's share"
	dropPromptShare   = "over one prompt's share"
	dropNear          = "the replies are almost equal"
	dropNearRow       = "almost the same as another row"
	dropUnreliable    = "by a user whom others contradict"
)

// Build makes rows of records. It does not change them. Cost: linear in the records and their words, but for edits.
func Build(r Records, o Options) Set { return BuildWith(r, o, nil) }

// BuildWith is [Build] with a second opinion on what one person alone compared; nil for none.
func BuildWith(r Records, o Options, opinion Opinion) Set {
	b := builder{
		options: o, opinion: opinion, records: r, dropped: map[string]int{},
		pairs: map[pairKey]*tally{}, verdicts: map[verdictKey]*tally{}, wishes: map[string]*Wish{}, rankings: map[string]*Ranking{},
		replies: map[string]map[string]bool{}, judged: map[string][]feedback.Event{}, topics: map[string][]chat.Message{},
	}
	events := slices.Clone(r.Events)
	slices.SortFunc(events, func(x, y feedback.Event) int {
		return cmp.Or(x.Time.Compare(y.Time), strings.Compare(x.ID, y.ID))
	})
	for _, g := range r.Generations {
		b.own(g)
	}
	for _, e := range events {
		if e.Source == feedback.Human && (e.Kind == feedback.Thumb || e.Kind == feedback.Rating) {
			b.judged[e.Generation] = append(b.judged[e.Generation], e)
		}
	}
	for _, e := range events {
		b.take(e)
	}
	return b.set()
}

// builder gathers votes about things: each pair of replies, and each single reply, has one tally.
type builder struct {
	options  Options
	opinion  Opinion
	records  Records
	dropped  map[string]int
	pairs    map[pairKey]*tally
	verdicts map[verdictKey]*tally
	wishes   map[string]*Wish            // by row id
	rankings map[string]*Ranking         // by row id
	replies  map[string]map[string]bool  // by prompt key: the model's own
	judged   map[string][]feedback.Event // by generation: people's thumbs and ratings
	topics   map[string][]chat.Message   // by topic key: a prompt
}

// own notes the model's replies to a prompt; demonstrations are compared with them.
func (b *builder) own(g feedback.Generation) {
	key := PromptKey(g.Messages)
	if b.replies[key] == nil {
		b.replies[key] = map[string]bool{}
	}
	for _, c := range g.Candidates {
		if c.Text != "" {
			b.replies[key][c.Text] = true
		}
	}
}

// take gives one event to its rule.
func (b *builder) take(e feedback.Event) {
	sources := b.options.Sources
	if sources == nil {
		sources = []string{feedback.Human, feedback.Implicit, feedback.Import}
	}
	switch {
	case !slices.Contains(sources, e.Source):
		b.drop(dropSource+e.Source, 1)
		return
	case e.Kind == feedback.Demonstration:
		b.wish(e, e.Messages, Demonstration)
		return
	case e.Kind == feedback.Comment:
		b.drop(dropComment, 1)
		return
	case e.Kind == feedback.Revoke:
		return
	}
	g, ok := b.records.Generations[e.Generation]
	if !ok {
		b.drop(dropGone, 1)
		return
	}
	e, err := feedback.Resolve(e, g)
	if err != nil || e.Kind == feedback.Ranking && len(e.Ranking) < 2 || e.Kind == feedback.Preference && len(e.Losers) == 0 {
		b.drop(dropUnknown, 1)
		return
	}
	switch e.Kind {
	case feedback.Preference:
		b.compare(e, g, append([]string{e.Winner}, e.Losers...), false)
	case feedback.Ranking:
		b.compare(e, g, e.Ranking, true)
	case feedback.Edit:
		b.edit(e, g)
	case feedback.Thumb:
		b.verdict(e, g, Thumb, (e.Value+1)/2)
	case feedback.Rating:
		b.verdict(e, g, Rated, (e.Value-1)/4)
	}
}

func (b *builder) drop(reason string, n int) {
	if n > 0 {
		b.dropped[reason] += n
	}
}

// meta is the provenance of a row of one event.
func (b *builder) meta(e feedback.Event, messages []chat.Message, class Class, weight float64) Meta {
	m := Meta{Class: class, Source: e.Source, Weight: weight, Events: []string{e.ID}, Prompt: PromptKey(messages), Topic: TopicKey(messages)}
	if e.User != "" {
		m.Users = []string{e.User}
	}
	if b.topics[m.Topic] == nil {
		b.topics[m.Topic] = messages
	}
	if g, ok := b.records.Generations[e.Generation]; ok {
		m.Policy, m.RM = cmp.Or(g.Policy.Digest, g.Policy.Name), g.RM
	}
	return m
}

// voter is who said e; everybody without a name is somebody else.
func voter(e feedback.Event) string { return cmp.Or(e.User, "event "+e.ID) }
