package pairs

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Root returns the Merkle root over the ids of all rows, in hex: what a run was made of, in one line. It is the tree of RFC
// 6962, §2.1, over the sorted ids; the root of no rows is the hash of nothing.
func (s Set) Root() string {
	var leaves [][]byte
	for _, m := range s.metas() {
		leaves = append(leaves, []byte(m.ID))
	}
	slices.SortFunc(leaves, slices.Compare)
	root := merkle(leaves)
	return hex.EncodeToString(root[:])
}

func merkle(leaves [][]byte) [sha256.Size]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1 // the largest power of two below the number of leaves
	for k*2 < len(leaves) {
		k *= 2
	}
	left, right := merkle(leaves[:k]), merkle(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}
