//go:build !linux

package kernel

import "time"

// threadWaits knows nothing here: all processors are used.
type threadWaits struct{}

func (threadWaits) since() (time.Duration, bool) { return 0, false }
