package main

import (
	"os"
	"runtime/debug"
)

// collectEarly has garbage collected once it is a fifth of what is in use, unless GOGC says when. A training holds few and large
// pieces of memory without pointers, which cost the collector nothing, so that Go's default of as much garbage as there is in
// use would double a training's memory for no speed.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
}
