package backups

import (
	"path"
	"slices"

	"github.com/dprun/dprun/runner/signing"
)

// Signature is the file beside a manifest that signs the manifest, and the
// verdict about it when the copy was stored or found.
type Signature struct {
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
	signing.Verdict
}

// Parts returns the files that the manifest of a copy stands for: the captured
// files, and the manifest's signature if it has one.
func (c *Copy) Parts() []File {
	if c.Signature == nil {
		return c.Files
	}
	return append(slices.Clip(c.Files), File{File: path.Base(c.Path) + signing.Suffix, Size: c.Signature.Size, SHA256: c.Signature.SHA256})
}

// Trust says whether anybody other than the destination vouches for a copy: the
// journal, because a run stored it, or a signature that counts. why is the reason
// if nobody does.
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

// Outranks reports whether a found copy replaces another manifest of the same set
// that was found before. It does if somebody vouches for it and nobody for the
// other one.
func (c *Copy) Outranks(other *Copy) bool {
	return c.trusted() && !other.trusted() && c.SHA256 != other.SHA256
}
