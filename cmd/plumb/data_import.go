package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/rows"
)

// DataImportCmd is "plumb data import".
type DataImportCmd struct {
	Kept
	Kind  string   `help:"preference {prompt, chosen, rejected}, unpaired {prompt, completion, label} or demonstration {prompt, completion}." required:"" enum:"preference,unpaired,demonstration" placeholder:"KIND"`
	Salt  string   `help:"Secret that user names are hashed with, at least 16 characters; replicas share it. Empty: the one kept in --data." placeholder:"TEXT"`
	Files []string `arg:"" name:"file" help:"JSON Lines; texts plain or as messages; .gz is read."`
}

// Validate implements kong's check of the parsed flags.
func (cmd *DataImportCmd) Validate() error {
	problems := []error{cmd.Kept.check()}
	if cmd.Salt != "" && len(cmd.Salt) < 16 {
		problems = append(problems, fmt.Errorf("--salt: %d characters, want at least 16", len(cmd.Salt)))
	}
	return errors.Join(problems...)
}

// imported is the last line of "plumb data import".
type imported struct {
	Kind      string         `json:"kind"`
	Rows      int            `json:"rows"`
	Stored    int            `json:"stored"`
	Unchanged int            `json:"unchanged"` // said before, or said otherwise by a person since
	Skipped   map[string]int `json:"skipped"`   // rows that say nothing, by reason
	Lost      map[string]int `json:"lost"`      // rows of which something was not taken, by what
}

// Run implements the command. All rows are read and checked before the first is stored; what is broken off can be done again.
func (cmd *DataImportCmd) Run(c *Context) error {
	s, err := cmd.open(c)
	if err != nil {
		return err
	}
	defer s.log.Close()
	secret, err := salt(cmd.Salt, cmd.Data)
	if err != nil {
		return err
	}
	im := importer{salt: secret, now: time.Now().UTC(), byKey: map[string]record{}}
	im.report = imported{Kind: cmd.Kind, Skipped: map[string]int{}, Lost: map[string]int{}}
	if err := im.read(cmd.Kind, cmd.Files); err != nil {
		return err
	}
	if err := im.store(c.Ctx, s.log, newProgress(c.Stderr, "import")); err != nil {
		return err
	}
	sayDropped(c.Stderr, im.report.Skipped)
	for what, n := range im.report.Lost {
		fmt.Fprintf(c.Stderr, "%d rows: %s\n", n, what)
	}
	return printJSON(c.Stdout, im.report)
}

// record is what one row becomes: an event, and the generation that it is about, if any.
type record struct {
	event      feedback.Event
	generation *feedback.Generation
}

// importer turns rows into records. Of rows that say different things about one thing by one user, the last counts, as it
// does when people vote.
type importer struct {
	salt   []byte
	now    time.Time
	byKey  map[string]record // by the event's key
	order  []string          // keys, as they came
	report imported
}

func (im *importer) read(kind string, files []string) error {
	switch kind {
	case preferenceRows:
		return takeRows(files, im, im.preference)
	case unpairedRows:
		return takeRows(files, im, im.unpaired)
	}
	return takeRows(files, im, im.demonstration)
}

// skip is the reason why a row becomes no feedback.
type skip string

func (s skip) Error() string { return string(s) }

func takeRows[T rows.Row](files []string, im *importer, take func(T) (record, error)) error {
	all, err := rows.ReadFiles[T](files...)
	if err != nil {
		return err
	}
	for i, row := range all {
		im.report.Rows++
		r, err := take(row)
		var why skip
		if errors.As(err, &why) {
			im.report.Skipped[string(why)]++
			continue
		}
		// Microseconds apart, so that the order of the file is the order of the votes.
		r.event.Time = im.now.Add(time.Duration(i) * time.Microsecond)
		r.event.ID = feedback.NewEventID(r.event.Time)
		if err == nil {
			err = r.event.Validate()
		}
		if err == nil && r.generation != nil {
			_, err = feedback.EncodeGeneration(*r.generation)
		}
		if err != nil {
			return fmt.Errorf("row %d of %s: %w", i+1, strings.Join(files, ", "), err)
		}
		key := r.event.Key()
		if _, repeated := im.byKey[key]; !repeated {
			im.order = append(im.order, key)
		} else {
			im.report.Skipped["a later row of the same user about the same thing counts"]++
		}
		im.byKey[key] = r
	}
	return nil
}

// Reasons to skip a row.
const (
	skipTie     skip = "a tie prefers nothing"
	skipEqual   skip = "both replies are the same text"
	skipEmpty   skip = "a text is empty"
	skipWeight  skip = "its weight is 0"
	skipTurns   skip = "a reply is more than one message of the assistant"
	lostWeights      = "every imported row counts once, whatever its weight"
	lostMargins      = "margins are not kept"
)

func (im *importer) preference(row rows.Preference) (record, error) {
	if row.Tie {
		return record{}, skipTie
	}
	prompt, err := promptOf(row.Prompt)
	chosen, errChosen := replyOf(row.Chosen)
	rejected, errRejected := replyOf(row.Rejected)
	if err := errors.Join(err, errChosen, errRejected, heard(row.Weight)); err != nil {
		return record{}, err
	}
	if chosen == rejected {
		return record{}, skipEqual
	}
	im.lose(row.Weight, row.Margin)
	// In the order of their texts: a row and its reverse are about the same two candidates.
	texts := []string{chosen, rejected}
	slices.Sort(texts)
	r := im.about(row.User, row.Source, prompt, texts...)
	winner := slices.Index(texts, chosen)
	r.event.Kind = feedback.Preference
	r.event.Winner, r.event.Losers = r.generation.Candidates[winner].ID, []string{r.generation.Candidates[1-winner].ID}
	return r, nil
}

func (im *importer) unpaired(row rows.Unpaired) (record, error) {
	prompt, err := promptOf(row.Prompt)
	reply, errReply := replyOf(row.Completion)
	if err := errors.Join(err, errReply, heard(row.Weight)); err != nil {
		return record{}, err
	}
	im.lose(row.Weight, 0)
	r := im.about(row.User, row.Source, prompt, reply)
	r.event.Candidate = r.generation.Candidates[0].ID
	switch {
	case row.Rating != 0:
		r.event.Kind, r.event.Value = feedback.Rating, row.Rating
	case row.Label:
		r.event.Kind, r.event.Value = feedback.Thumb, 1
	default:
		r.event.Kind, r.event.Value = feedback.Thumb, -1
	}
	return r, nil
}

func (im *importer) demonstration(row rows.Demonstration) (record, error) {
	prompt, err := promptOf(row.Prompt)
	reply, errReply := replyOf(row.Completion)
	if err := errors.Join(err, errReply, heard(row.Weight)); err != nil {
		return record{}, err
	}
	im.lose(row.Weight, 0)
	return record{event: feedback.Event{Kind: feedback.Demonstration, User: im.user(row.User), Source: sourceOf(row.Source),
		Messages: prompt, Text: reply}}, nil
}

// about returns a record with the generation that a row's replies are the candidates of. Its id is a hash of user, prompt
// and replies, so that the same row is the same record however often it is imported.
func (im *importer) about(user, source string, prompt []chat.Message, texts ...string) record {
	user = im.user(user)
	g := &feedback.Generation{Time: im.now, User: user, Messages: prompt, Policy: feedback.Policy{Name: "import"},
		Sampler: feedback.Sampler{Method: "none", N: len(texts)}}
	g.ID = "chatcmpl-" + idOf(user, prompt, texts)
	for k, text := range texts {
		g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: text,
			Finish: chat.FinishStop, Shown: true})
	}
	return record{event: feedback.Event{Generation: g.ID, User: user, Source: sourceOf(source)}, generation: g}
}

// idOf makes a ULID of content: its time is 0, for it belongs to no moment, and the rest is a hash.
func idOf(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic("data import: strings do not marshal: " + err.Error())
	}
	sum := sha256.Sum256(b)
	var id ulid.ULID
	copy(id[6:], sum[:])
	return id.String()
}

// hashedUser is the form of a name that was hashed already, as in rows that "plumb data export" wrote.
var hashedUser = regexp.MustCompile(`^u-[0-9a-f]{32}$`)

func (im *importer) user(name string) string {
	if hashedUser.MatchString(name) {
		return name
	}
	return feedback.HashUser(im.salt, name)
}

// sourceOf keeps what a reward model made apart; everything else is "import", whoever said it elsewhere.
func sourceOf(source string) string {
	if source == feedback.Model {
		return feedback.Model
	}
	return feedback.Import
}

// heard says whether a row counts at all.
func heard(weight *float64) error {
	if weight != nil && *weight == 0 {
		return skipWeight
	}
	return nil
}

// lose notes what a vote has no place for.
func (im *importer) lose(weight *float64, margin float64) {
	if weight != nil && *weight != 1 {
		im.report.Lost[lostWeights]++
	}
	if margin != 0 {
		im.report.Lost[lostMargins]++
	}
}

func promptOf(t rows.Text) ([]chat.Message, error) {
	if strings.TrimSpace(t.String()) == "" {
		return nil, skipEmpty
	}
	return t.Chat(chat.User), nil
}

func replyOf(t rows.Text) (string, error) {
	m := t.Chat(chat.Assistant)
	switch {
	case len(m) != 1 || m[0].Role != chat.Assistant || len(m[0].ToolCalls) > 0:
		return "", skipTurns
	case strings.TrimSpace(m[0].Content) == "":
		return "", skipEmpty
	}
	return m[0].Content, nil
}

// atOnce is how many records are being stored at a time: databases commit in groups.
const atOnce = 64

// store writes each generation before the event about it.
func (im *importer) store(ctx context.Context, log feedback.Writer, bar *progress) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, key := range im.order {
		r := im.byKey[key]
		group.Go(func() error {
			if r.generation != nil {
				if _, err := log.PutGeneration(ctx, *r.generation); err != nil {
					return fmt.Errorf("import row: %w", err)
				}
			}
			live, _, err := log.PutEvent(ctx, r.event)
			if err != nil {
				return fmt.Errorf("import row: %w", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if live.ID == r.event.ID {
				im.report.Stored++
			} else {
				im.report.Unchanged++
			}
			bar.at(im.report.Stored+im.report.Unchanged, len(im.order), "rows")
			return nil
		})
	}
	return group.Wait()
}
