package registry

import (
	"crypto/sha256"
	"encoding/hex"

	"plumb/chat"
)

// MaxBlob bounds a blob, in bytes.
const MaxBlob = 64 << 20

// VerifyBlob returns data if it has this hash, and else an error of kind Internal: a store calls it on every read.
func VerifyBlob(hash string, data []byte) ([]byte, error) {
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != hash {
		return nil, &chat.Error{Kind: chat.Internal, Msg: "read blob " + hash + ": what is stored does not match its hash"}
	}
	return data, nil
}
