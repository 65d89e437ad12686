package feedback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// HashUser returns the name under which a user is kept: "u-" and the first 128 bits of HMAC-SHA256(salt, user) in hex.
// Without the salt the hash can neither be turned back nor be compared with another installation's. The empty user
// stays empty: nobody is not somebody.
func HashUser(salt []byte, user string) string {
	if user == "" {
		return ""
	}
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(user))
	return "u-" + hex.EncodeToString(mac.Sum(nil)[:16])
}
