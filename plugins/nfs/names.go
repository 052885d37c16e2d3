package nfs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// A temporary name is ".dprun-OWNER-RANDOM.part".
const (
	tempPrefix   = sdk.TempPrefix
	tempSuffix   = ".part"
	randomDigits = 16
	maxOwner     = 120
	maxName      = 255
)

func tempName(owner string) string {
	var b [randomDigits / 2]byte
	rand.Read(b[:]) // never fails
	return tempPrefix + escapeOwner(owner) + "-" + hex.EncodeToString(b[:]) + tempSuffix
}

// tempOwner returns the escaped owner of a temporary name, and whether it is one.
func tempOwner(name string) (string, bool) {
	if !strings.HasPrefix(name, tempPrefix) || !strings.HasSuffix(name, tempSuffix) {
		return "", false
	}
	rest := strings.TrimSuffix(name[len(tempPrefix):], tempSuffix)
	i := strings.LastIndexByte(rest, '-')
	if i < 0 || len(rest)-i-1 != randomDigits {
		return "", false
	}
	if _, err := hex.DecodeString(rest[i+1:]); err != nil {
		return "", false
	}
	return rest[:i], true
}

// escapeOwner makes an owner a part of a file name; different owners stay
// different.
func escapeOwner(owner string) string {
	var b strings.Builder
	for i := range len(owner) {
		switch c := owner[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	if b.Len() > maxOwner {
		sum := sha256.Sum256([]byte(owner))
		return "=" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// checkPath is the SDK's check, and one of the length that NFS servers allow.
func checkPath(name string) error {
	if err := sdk.CheckPath(name); err != nil {
		return err
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxName {
			return failure.New(failure.Precondition, failure.BadConfig, "use the name %q on the server: a component has %d bytes, at most %d are allowed",
				name, len(part), maxName).WithRemedy("shorten the destination's `path`")
		}
	}
	return nil
}

// checkPrefix is checkPath for a directory; "" and "." are the whole destination.
func checkPrefix(prefix string) (string, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" || prefix == "." {
		return "", nil
	}
	return prefix, checkPath(prefix)
}
