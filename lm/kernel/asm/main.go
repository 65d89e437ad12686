// Program asm writes the assembly of package kernel. Run it through go generate in the package's folder.
//
// It is a module of its own so that nobody who builds or uses the package needs its libraries.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("amd64")
	gemmAVX2()
	gemmAVX512()
	transpose()
	dot()
	axpy()
	scale()
	maximum()
	exponential()
	silu()
	half()
	quantise()
	quantised()
	pause()
	Generate()
}
