package pairs

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/offline/rows"
)

// Exporter gives a log out as training rows for other programs. Safe for concurrent use if its Log is.
type Exporter struct {
	Log Source
}

// Export calls each with every row of kind "preference", "unpaired" or "demonstration" whose source is one of sources, in TRL's
// shapes ([rows.Preference], [rows.Unpaired], [rows.Demonstration]). Rows are built as for a run, but without caps: everybody's vote
// counts alike, and what is almost the same stays. It stops at the first error of each and returns it. Memory: the log.
func (x Exporter) Export(ctx context.Context, kind string, sources []string, each func(row any) error) error {
	if kind != "preference" && kind != "unpaired" && kind != "demonstration" {
		return &chat.Error{Kind: chat.Invalid, Param: "kind", Msg: fmt.Sprintf("export rows: kind: got %q, want preference, unpaired or demonstration", kind)}
	}
	records, err := Collect(ctx, x.Log)
	if err != nil {
		return err
	}
	if sources == nil {
		sources = []string{"human", "implicit"}
	}
	set := Build(records, Options{Sources: sources, UserShare: 1, PromptRows: -1, EqualUsers: true, Near: 2})
	for row := range set.rows(kind) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return nil
}

// rows returns the rows of a kind in TRL's shapes.
func (s Set) rows(kind string) func(yield func(any) bool) {
	return func(yield func(any) bool) {
		switch kind {
		case "preference":
			for _, r := range s.Preferences {
				if !yield(r.Row()) {
					return
				}
			}
		case "unpaired":
			for _, r := range s.Unpaired {
				if !yield(r.Row()) {
					return
				}
			}
		case "demonstration":
			for _, r := range s.Demonstrations {
				if !yield(r.Row()) {
					return
				}
			}
		}
	}
}

// Row returns r in TRL's shape, conversational.
func (r Preference) Row() rows.Preference {
	return rows.Preference{Prompt: rows.Text{Messages: r.Messages}, Chosen: said(r.Chosen), Rejected: said(r.Rejected),
		Weight: &r.Weight, User: first(r.Users), Source: r.Source, ID: r.ID}
}

// Row returns r in TRL's shape, conversational.
func (r Unpaired) Row() rows.Unpaired {
	return rows.Unpaired{Prompt: rows.Text{Messages: r.Messages}, Completion: said(r.Reply), Label: r.Label,
		Weight: &r.Weight, User: first(r.Users), Source: r.Source, ID: r.ID}
}

// Row returns r in TRL's shape, conversational.
func (r Wish) Row() rows.Demonstration {
	return rows.Demonstration{Prompt: rows.Text{Messages: r.Messages}, Completion: said(r.Reply),
		Weight: &r.Weight, User: first(r.Users), Source: r.Source, ID: r.ID}
}

func said(reply string) rows.Text {
	return rows.Text{Messages: []chat.Message{{Role: chat.Assistant, Content: reply}}}
}
