package upstream

import "testing"

func TestFoldSeed(t *testing.T) {
	for in, want := range map[int64]int64{0: 0, 1: 1, 1<<31 - 2: 1<<31 - 2} {
		if got := FoldSeed(in); got != want {
			t.Errorf("FoldSeed(%d) = %d", in, got)
		}
	}
	seen := map[int64]int64{}
	for i := range int64(20000) {
		for _, seed := range []int64{-1 - i, 1<<31 - 1 + i, i << 32, i<<40 + 1<<62} {
			if seed >= 0 && seed < 1<<31-1 {
				continue
			}
			got := FoldSeed(seed)
			if got < 0 || got >= 1<<31-1 {
				t.Fatalf("FoldSeed(%d) = %d", seed, got)
			}
			seen[got]++
		}
	}
	// 80,000 draws from 2³¹ meet about 1.5 times.
	if len(seen) < 79_980 {
		t.Errorf("%d of 80000 seeds stay apart", len(seen))
	}
}
