package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// pause writes what a loop does that waits for another processor: it leaves the core to the other thread on it.
func pause() {
	TEXT("pauseAMD64", NOSPLIT, "func(times int)")
	Doc("pauseAMD64 waits for some tens of cycles, so many times.")
	n := Load(Param("times"), GP64())
	Label("loop")
	PAUSE()
	SUBQ(Imm(1), n)
	JNZ(LabelRef("loop"))
	RET()
}
