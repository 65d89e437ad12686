package offline

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/offline/registry"
)

// longestLineage bounds how far [Lineage] goes back.
const longestLineage = 1000

// Lineage returns a run and those before it: the one that was live when it began, the one before that, and so on to the first, which
// found the untouched base. whole is false where it ends earlier, because a manifest is gone. The error is of kind NotFound for an
// unknown run.
func Lineage(ctx context.Context, runs registry.Runs, id string) (all []registry.Run, whole bool, err error) {
	seen := map[string]bool{}
	for id != "" {
		if seen[id] || len(all) == longestLineage {
			return all, false, nil
		}
		seen[id] = true
		m, err := runs.Run(ctx, id)
		if err != nil && chat.KindOf(err) == chat.NotFound && len(all) > 0 {
			return all, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("read lineage: %w", err)
		}
		all = append(all, m)
		id = m.Parent
	}
	return all, true, nil
}
