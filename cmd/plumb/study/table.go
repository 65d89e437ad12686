package study

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table writes the result as a person reads it.
func (r *Result) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nHidden taste %q, %d votes of each kind with %.0f %% wrong on %d prompts; measured on %d others.\n\n",
		r.Taste, r.Votes, 100*r.Noise, r.Prompts[0], r.Prompts[1])
	fmt.Fprintf(t, "method\tto the taste\t95 %% interval\tgold\tproxy\tKL/token\tNLL\twords\tn\tn saved\trows\ttokens\tseconds\t\n")
	for _, m := range append([]Method{r.Base}, r.Methods...) {
		saved := "–"
		if m.Saved != nil && m.Saved.N > 0 {
			saved = fmt.Sprintf("%d→%d", Candidates, m.Saved.N)
		}
		kl := fmt.Sprintf("%.3f", m.KL)
		if m.Budget > 0 && m.KL > m.Budget {
			kl += " over"
		}
		fmt.Fprintf(t, "%s\t%.0f %%\t%.0f–%.0f %%\t%.2f\t%+.2f\t%s\t%+.1f %%\t%.0f\t%d\t%s\t%d\t%s\t%.1f\t%s\n", m.Method, 100*m.Taste, 100*m.Lo, 100*m.Hi,
			m.Gold, m.Proxy, kl, 100*m.NLL, m.Length, m.Draws, saved, m.Rows, thousands(m.DrawnTokens+m.TrainedTokens), m.Seconds, m.Note)
	}
	return t.Flush()
}

func thousands(n int) string { return fmt.Sprintf("%.0fk", float64(n)/1000) }
