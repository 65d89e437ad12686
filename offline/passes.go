package offline

import (
	"fmt"

	"plumb/offline/train"
)

// notePasses notes in the manifest how often a part of the training went over its rows, and where nobody said how often, why.
func (w *work) notePasses(part string, passes float64, rows int) {
	w.metric(part+"/epochs", &passes)
	if w.config.Train.Epochs == 0 {
		w.run.Reason += fmt.Sprintf("; %s: %g passes over %d rows, two or as many as make %d steps, eight at most", part, passes, rows, train.LeastSteps)
	}
}
