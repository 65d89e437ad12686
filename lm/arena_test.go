package lm

import "testing"

// Who asks for a little more each time, as attention does with every token, does not make the arena keep all it ever gave.
func TestArenaDoesNotKeepWhatIsTooSmall(t *testing.T) {
	var a arena
	n := chunkSize
	for range 100 {
		n += 1000
		a.reset(0, 0)
		kept := a.floats(10)
		kept[0] = 1
		chunk, at := a.mark()
		x, y := a.floats(n), a.floats(n/2)
		x[n-1], y[0] = 2, 3
		a.reset(chunk, at)
		z := a.floats(n)
		z[0] = 4
		if kept[0] != 1 {
			t.Fatal("memory from before the mark was given away")
		}
	}
	if held, most := a.held(), 4*n+2*chunkSize; held > most {
		t.Errorf("%d values held where %d were taken at once; at most %d would do", held, n+n/2, most)
	}
}

// Matrices of which one and a half fit the least chunk do not leave a third of the memory unused.
func TestArenaLeavesLittleOver(t *testing.T) {
	var a arena
	taken := 0
	for range 400 {
		a.floats(chunkSize * 2 / 3)
		taken += chunkSize * 2 / 3
	}
	if held := a.held(); held > taken*6/5 {
		t.Errorf("%d values held where %d were taken", held, taken)
	}
}
