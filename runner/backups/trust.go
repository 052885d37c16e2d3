package backups

import (
	"path"
	"slices"

	"github.com/dprun/dprun/runner/signing"
)

// Signature is the file beside a manifest that signs it, and what it proved when
// it was stored or found.
type Signature struct {
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
	signing.Verdict
}

// Parts are the files of a copy that its manifest stands for: what was captured,
// and the manifest's signature, if it has one.
func (c *Copy) Parts() []File {
	if c.Signature == nil {
		return c.Files
	}
	return append(slices.Clip(c.Files), File{File: path.Base(c.Path) + signing.Suffix, Size: c.Signature.Size, SHA256: c.Signature.SHA256})
}

// Trust says whether somebody vouches for a copy beside the destination that keeps
// it: the journal, of what a run has stored, or a signature that counts. Why says
// why nobody does.
func (c *Copy) Trust() (trusted bool, why string) {
	const found = "it was found at the destination, and nothing else vouches for it: "
	switch {
	case !c.Imported:
		return true, ""
	case c.Signature == nil:
		return false, found + "it is not signed"
	case !c.Signature.Trusted:
		return false, found + c.Signature.Why
	}
	return true, ""
}

// trusted is [Copy.Trust] without the reason.
func (c *Copy) trusted() bool {
	is, _ := c.Trust()
	return is
}

// Outranks reports whether a copy that was found is to be known instead of another
// manifest of the same set that was found before: somebody vouches for this one, and
// nobody for the other.
func (c *Copy) Outranks(other *Copy) bool {
	return c.trusted() && !other.trusted() && c.SHA256 != other.SHA256
}
