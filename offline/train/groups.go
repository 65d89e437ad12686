package train

import "plumb/lm"

// Group is trees[From:To] of one pass over the model.
type Group struct{ From, To int }

// Groups cuts trees into runs of at most limit tokens, or of one tree.
func Groups(trees []lm.Tree, limit int) []Group {
	var all []Group
	size := 0
	for i, t := range trees {
		n := len(t.Prompt)
		for _, b := range t.Branches {
			n += len(b)
		}
		if len(all) == 0 || size+n > limit {
			all = append(all, Group{i, i})
			size = 0
		}
		size += n
		all[len(all)-1].To = i + 1
	}
	return all
}
