package sftp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dprun/dprun/sdk/failure"
)

// Temporary names are ".dprun-OWNER-RANDOM.part". Neither the owner as it is
// written there nor the random part holds a dash-separated suffix that could
// be taken for the other.
const (
	tempPrefix = ".dprun-"
	tempSuffix = ".part"
	randomSize = 8 // bytes

	// maxOwner keeps a temporary name well below the usual 255 bytes.
	maxOwner = 120
	maxName  = 255
)

// tempName makes a new temporary name of an owner.
func tempName(owner string) string {
	var b [randomSize]byte
	rand.Read(b[:]) // never fails
	return tempPrefix + escapeOwner(owner) + "-" + hex.EncodeToString(b[:]) + tempSuffix
}

// tempOwner takes a name apart: the owner as escapeOwner writes it, and
// whether it is a temporary name at all.
func tempOwner(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, tempPrefix)
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
		c := owner[i]
		switch {
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

// checkPath refuses every name that could leave the directory, could be taken
// for a temporary name, or that a person could not type.
func checkPath(p string) error {
	bad := func(why string) error {
		return failure.New(failure.Precondition, failure.BadConfig, "use the name %q on the server: %s", p, why).
			WithRemedy("change the destination's `path`")
	}
	if p == "." || !fs.ValidPath(p) {
		return bad("it is not a relative path of plain components")
	}
	if !utf8.ValidString(p) {
		return bad("it is not UTF-8")
	}
	for _, r := range p {
		if r == '\\' || unicode.IsControl(r) || r == unicode.ReplacementChar {
			return bad(fmt.Sprintf("it holds the character %q", r))
		}
	}
	for part := range strings.SplitSeq(p, "/") {
		if len(part) > maxName {
			return bad(fmt.Sprintf("a component has %d bytes, at most %d are allowed", len(part), maxName))
		}
		if _, temp := tempOwner(part); temp {
			return bad("it is kept for temporary files")
		}
	}
	return nil
}

// checkPrefix is checkPath for a directory, where empty or "." is the whole destination.
func checkPrefix(p string) (string, error) {
	p = strings.Trim(p, "/")
	if p == "" || p == "." {
		return "", nil
	}
	return p, checkPath(path.Clean(p))
}
