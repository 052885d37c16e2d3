package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Temporary names are ".dprun-OWNER-RANDOM.part". Neither the owner as it is
// written there nor the random part holds a dash-separated suffix that could
// be taken for the other.
const (
	tempSuffix = ".part"
	randomSize = 8 // bytes

	// maxOwner, in bytes, keeps a temporary name well below the usual limit of
	// 255.
	maxOwner = 120
	maxName  = 255
)

// TempName returns a new temporary name for an owner.
func TempName(owner string) string {
	var b [randomSize]byte
	rand.Read(b[:]) // never fails
	return sdk.TempPrefix + escapeOwner(owner) + "-" + hex.EncodeToString(b[:]) + tempSuffix
}

// tempOwner splits a temporary name. It returns the owner as escapeOwner writes
// it, and whether the name is temporary at all.
func tempOwner(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, sdk.TempPrefix)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, tempSuffix); !ok {
		return "", false
	}
	i := strings.LastIndexByte(rest, '-')
	if i < 0 || len(rest)-i-1 != 2*randomSize {
		return "", false
	}
	if _, err := hex.DecodeString(rest[i+1:]); err != nil {
		return "", false
	}
	return rest[:i], true
}

// escapeOwner writes an owner as a part of a file name. Different owners stay different.
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

// checkPath is [sdk.CheckPath]; it also refuses what is not a valid file name on
// every system.
func checkPath(p string) error {
	if err := sdk.CheckPath(p); err != nil {
		return err
	}
	bad := func(why string) error {
		return failure.New(failure.Precondition, failure.BadConfig, "use the name %q at the destination: %s", p, why).
			WithRemedy("change the destination's `path`")
	}
	if !utf8.ValidString(p) {
		return bad("it is not UTF-8")
	}
	for part := range strings.SplitSeq(p, "/") {
		if len(part) > maxName {
			return bad(fmt.Sprintf("a component has %d bytes, at most %d are allowed", len(part), maxName))
		}
	}
	return nil
}

// checkPrefix is checkPath for a directory; empty stands for the whole
// destination.
func checkPrefix(p string) error {
	if p == "" {
		return nil
	}
	return checkPath(p)
}

// dirOf returns the directory of a name; "" is the top.
func dirOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}
