package sampler

import (
	"time"

	"plumb/chat"
)

// Request asks for a reply. Only Model and Messages are required; a zero or nil field means the sampler's default.
type Request struct {
	Model    string
	Messages []chat.Message
	Sampling chat.Sampling
	// MaxTokens bounds each candidate; 0 means up to the end of the model's context.
	MaxTokens int

	// Method is one of [Methods], "" is [Auto].
	Method string
	// N is how many candidates are drawn, at most [Sampler.MaxN]. 0 means the method's own: 1 for [None], for [Auto]
	// without a reward model and for Return = 1, else [Sampler.N]; never fewer than Return.
	N int
	// Return is how many replies come back (OpenAI's n), the best distinct ones first. 0 means 1.
	Return int
	// Pressure is how hard the rule leans on the reward. For [TopMethod], [BestOfPoissonMethod] and [Auto] it is the
	// largest density ratio M ≥ 1 to the base model, default 8; for [SoftMethod] and [ChiSquareMethod] the inverse
	// temperature > 0 on z-scored rewards, default 2. [BestOfN], whose pressure is n, and [None] take none.
	Pressure *float64
	// Conservatism c ≥ 0 weighs doubt: a score is z(reward) − c·(sd + ood/2). Default 1.
	Conservatism *float64
	// Length in [−1, 1] takes off this share of the reward that goes with length; 0 leaves the reward alone, below 0
	// length counts for more. It needs a [LengthScorer].
	Length float64
	// BudgetTokens bounds the tokens drawn by all candidates together; 0 means no bound.
	BudgetTokens int
	// Deadline bounds the drawing, from the call on: what is finished then is scored and chosen from. 0 means none.
	Deadline time.Duration
	// Seed fixes every draw and the choice. A caller whose client gave none passes a random one.
	Seed int64
	// Strict refuses what would be downgraded, instead of answering with the first candidate drawn.
	Strict bool
	// Stream, if set, gets the text of the reply as it is drawn, where exactly one candidate is drawn. Otherwise it is
	// never called, since it is not known before the choice which candidate is the reply. It is called from the
	// goroutine of Sample.
	Stream func(chat.Piece)
}

// Result is what was drawn and what was chosen.
type Result struct {
	// Candidates holds every candidate that was begun, by index; those that failed have Err.
	Candidates []Candidate
	// Chosen are indices into Candidates: the choice, then the next best distinct ones, Request.Return of them. Where
	// there are too few distinct texts, equal ones fill the rest; where too few were drawn it is shorter.
	Chosen []int
	Method string // what really ran
	// DowngradedFrom is the method that was asked for where another ran, "" if it is the one that ran. Auto choosing a
	// method is no downgrade, but Auto with N > 1 that finds no rewards is.
	DowngradedFrom string
	// ScoreErr is why there was no choice by rewards although there is a reward model: its error, that no reward was a
	// number, or that the first candidate calls a tool.
	ScoreErr error

	NDrawn   int // finished
	NFailed  int // failed, or cut off by the deadline
	NRetried int // calls that the generator made again
	NScored  int // candidates with a usable reward; equal texts are scored once and each counted

	KLBound   *float64 // upper bound of KL(this sampler ‖ base model) in nats, nil where unknown
	KLEst     *float64 // Beirami et al.'s estimate for best-of-n, nil where the sequence's log-prob is not known
	StoppedBy string   // what ended the drawing early: one of the Stopped constants, "" if all N were drawn

	TokensDiscarded int      // drawn, but not in what is chosen
	RMMillis        *float64 // time of the reward model, nil if it was not asked
	Usage           Usage
}

// Why drawing ended before N candidates.
const (
	StoppedDeadline = "deadline" // what was finished by then is on the short side
	StoppedBudget   = "budget"
	StoppedEqual    = "equal" // every candidate so far has the same text: more would too
)

// Candidate is one drawn reply.
type Candidate struct {
	chat.Completion
	Index int
	Seed  int64 // draws this candidate again, given the same prompt and sampling
	// SameAs is the lowest index with the same text, Index itself if this is it. A text is scored once.
	SameAs int
	// Reward is nil if the candidate was not scored or its reward was no number.
	Reward *chat.Reward
	// Score is what the rule saw: the z-scored reward less what doubt takes off. NaN where Reward is nil.
	Score float64
	// Propensity is the probability with which the rule makes this candidate's text the choice. It stands at the
	// candidate that would be returned, SameAs; equal ones have 0. Over all candidates it sums to 1.
	Propensity float64
	Err        error
}

// Usage counts the tokens spent.
type Usage struct {
	PromptTokens     int // of the prompt, once
	CompletionTokens int // of all candidates, discarded ones included
}
