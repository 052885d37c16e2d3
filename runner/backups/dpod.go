package backups

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A copy without a manifest is one of DPOD's old sets. Its Path is the path that
// a manifest would have, without the suffix, and the import computed its hashes.

// HasManifest reports whether the copy has a manifest.
func (c *Copy) HasManifest() bool { return c.SHA256 != "" }

// dpodSettles is the least age of a DPOD stamp. A younger backup may still be
// being written, and the time zone of the stamps is not documented.
const dpodSettles = 24 * time.Hour

// The layouts of DPOD, see docs/coming-from-dpod.md. Its documentation shows
// exports of all domains both with and without `domain/`, so dprun accepts both.
var (
	dpodSecure = regexp.MustCompile(`^(([^/]+)/secure-backup/([^/]+))/.+$`)
	dpodExport = regexp.MustCompile(`^(([^/]+)/(?:domain/([^/]+)|all-domains)/(.+)-export-([0-9-]{23}))-(persisted|nonpersisted)\.zip$`)
)

// dpodFile returns the DPOD set that a file belongs to, without the other files.
// It returns an error if the name does not fit DPOD's layout.
func dpodFile(at string) (c Copy, variant string, err error) {
	none := errors.New("its name does not fit DPOD's layout, and no manifest lists it")
	if err := local(at); err != nil {
		return c, "", fmt.Errorf("its path %w", err)
	}
	if m := dpodSecure.FindStringSubmatch(at); m != nil {
		c, variant = Copy{Path: m[1], Device: m[2], Stamp: m[3], Type: "secure_backup"}, "secure_backup"
	} else if m := dpodExport.FindStringSubmatch(at); m != nil {
		c, variant = Copy{Path: m[1], Device: m[2], Domain: m[3], Stamp: m[5], Type: "export_domain"}, map[string]string{"persisted": "persisted", "nonpersisted": "running"}[m[6]]
		if c.Domain == "" || c.Domain == "all-domains" { // a gateway takes this name for all domains
			c.Domain, c.Type = "", "export_all_domains"
		}
		if m[4] != c.Domain && (c.Domain != "" || m[4] != "all-domains") {
			return c, "", none
		}
	} else {
		return c, "", none
	}
	if c.Set, err = ID("", "dpod "+c.Path, c.Stamp); err != nil {
		return c, "", none
	}
	c.Captured, _ = ParseStamp(c.Stamp) // ID has read it already
	c.Activity, c.State, c.Imported = "dpod-"+c.Type, Whole, true
	return c, variant, nil
}

// DPOD groups objects that no known set lists into DPOD's sets. manifests holds
// the paths of manifests: files of their sets do not count as DPOD's, even if the
// manifest was refused. The sets have no SHA-256 yet. refused maps each rejected
// path to the reason.
func DPOD(objects []Object, manifests map[string]bool, now time.Time) (sets []Copy, refused map[string]string) {
	refused = map[string]string{}
	found := map[string]*Copy{}
	for _, o := range objects {
		c, variant, err := dpodFile(o.Path)
		switch {
		case err != nil:
			refused[o.Path] = err.Error()
			continue
		case manifests[c.Path+Suffix]:
			continue
		case found[c.Path] == nil:
			found[c.Path] = &c
		}
		of := found[c.Path]
		of.Files = append(of.Files, File{File: strings.TrimPrefix(o.Path, path.Dir(c.Path)+"/"), Variant: variant, Size: o.Size})
		of.Bytes += o.Size
	}
	for at, c := range found {
		empty := slices.ContainsFunc(c.Files, func(f File) bool { return f.Size <= 0 })
		whole := c.Type != "secure_backup" || slices.ContainsFunc(c.Files, func(f File) bool { return path.Base(f.File) == "backupmanifest.xml" })
		switch {
		case now.Sub(c.Captured) < dpodSettles:
			refused[at] = "its stamp is less than a day old, or lies in the future, so the backup may not be complete yet; import again later"
		case empty:
			refused[at] = "a file of it is empty"
		case !whole:
			refused[at] = "it has no backupmanifest.xml, so the secure backup is not whole"
		default:
			slices.SortFunc(c.Files, func(a, b File) int { return strings.Compare(a.File, b.File) })
			sets = append(sets, *c)
		}
	}
	slices.SortFunc(sets, func(a, b Copy) int { return strings.Compare(a.Path, b.Path) })
	return sets, refused
}
