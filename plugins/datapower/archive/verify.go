package archive

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // what the gateway lists
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
)

// Verifier holds the limits of a verification. The zero value uses all cores and the system's directory for
// temporary files.
type Verifier struct {
	// Workers is the number of entries that are read in parallel; 0: one for each core, and one for a small
	// archive. Each takes about 350 KiB.
	Workers int
	// TempDir is where large compressed inner archives are unpacked while they are read; empty: the system's
	// directory.
	TempDir string
	// MaxSpool bounds the size of one such file in bytes; 0: 16 GiB.
	MaxSpool int64
	// Memo, if set, is shared with other verifications: data that one of them has inflated is not inflated again.
	Memo *Memo
	// Sets, if set, caches manifests for the next archive of their directory.
	Sets *Sets

	collect *collector // receives the content of the archive; nil: nobody needs it
}

// VerifyFile verifies an export, or the directory of a secure backup. See [Verifier.Verify].
func VerifyFile(ctx context.Context, name string) (*Report, error) {
	return Verifier{}.VerifyFile(ctx, name)
}

// VerifyFile verifies the export or the directory with that name, and compares it with the manifests beside it
// that list it.
func (v Verifier) VerifyFile(ctx context.Context, name string) (*Report, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if report := v.gone(name); report != nil {
			return report, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("verify archive: %w", err)
	}
	if info.IsDir() {
		return v.VerifyDir(ctx, os.DirFS(name))
	}
	f, err := os.Open(name) //nolint:gosec // the caller's choice
	if err != nil {
		return nil, fmt.Errorf("verify archive: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	report, err := v.Verify(ctx, f, info.Size())
	if err != nil {
		return report, fmt.Errorf("verify archive %s: %w", name, err)
	}
	return v.compareBeside(ctx, report, name)
}

// Verify reads an export to its end and reports what is wrong with it. However broken the archive is, the error
// is nil: an error means that the medium could not be read or that the context ended. The report then covers what
// was verified before.
func (v Verifier) Verify(ctx context.Context, r io.ReaderAt, size int64) (*Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var held *[]byte // a small archive, until no worker reads it any more
	if size <= smallArchive {
		held = smallArchives.Get().(*[]byte)
		defer smallArchives.Put(held)
		v.Workers = cmp.Or(v.Workers, 1)
	}
	run := &run{ctx: ctx, cancel: cancel, verifier: v}
	run.pool = newPool(v.Workers, v.Memo, &run.rec)
	var err error
	run.rec.survive("", func() {
		if held != nil {
			*held = slices.Grow((*held)[:0], int(size))[:size]
			if err = readAt(r, *held, 0); err != nil {
				return
			}
			r = bytes.NewReader(*held)
		}
		err = run.outer(r, size)
	})
	run.pool.stop()
	if err == nil {
		err = context.Cause(ctx)
	}
	return run.rec.finish(), err
}

// smallArchive is the size up to which an archive is read as a whole and verified on the spot: distributing its
// entries would cost more than inflating them.
const smallArchive = 512 << 10

var smallArchives = sync.Pool{New: func() any { return new([]byte) }}

// run is one verification.
type run struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc // ends the verification at the first error of the medium
	verifier Verifier
	pool     *pool
	rec      recorder
}

// expectation is what the list says about one entry.
type expectation struct {
	hash   string // base64
	listed bool
}

// contentsOf is an archive with the content of its list.
type contentsOf struct {
	zip       *zipFile
	list      *list
	expected  []expectation // by entry
	elsewhere []listed      // listed, but not in this archive
	omitted   int
}

// maxElsewhere bounds how many missing files are reported one by one; more are only
// counted.
const maxElsewhere = 10_000

const exportXML = "export.xml"

// readList opens an archive and reads its list.
func (r *run) readList(label string, src io.ReaderAt, size int64) (*contentsOf, error) {
	z, err := openZip(&r.rec, label, src, size)
	if err != nil {
		return nil, err
	}
	c := &contentsOf{zip: z, expected: make([]expectation, len(z.entries))}
	r.rec.count(func(rep *Report) {
		rep.Entries += len(z.entries)
		for i := range z.entries {
			rep.Compressed += z.entries[i].packed
		}
	})
	i, ok := z.byName[exportXML]
	if !ok {
		return c, nil
	}
	c.list = newList(c.place)
	if collect := r.verifier.collect; collect != nil {
		c.list.object = func(n *node) error { return collect.object(label, n) }
	}
	var bad error
	var got contents
	r.pool.do(z.path(exportXML), func(w *worker) {
		got, err = z.readEntry(r.ctx, &r.rec, w, i, nil, func(p []byte) error {
			if bad == nil {
				bad = c.list.write(p)
			}
			return nil
		}, false)
	})
	if err != nil {
		return nil, err
	}
	if bad == nil && got.read {
		bad = c.list.finish()
	}
	switch {
	case bad != nil:
		r.rec.add(Problem, CodeList, z.path(exportXML), "it cannot be used: %v", bad)
	case got.read:
		c.said(&r.rec)
	}
	c.expected[i].listed = true
	if c.omitted > 0 {
		r.rec.add(Problem, CodeMissing, z.path(exportXML), "%d more listed files are not in the archive", c.omitted)
	}
	return c, nil
}

// said checks that a list says what every gateway's list says: whose export it is, of which domain, and its
// files.
func (c *contentsOf) said(rec *recorder) {
	l, p := c.list, c.zip.path(exportXML)
	if !l.details {
		rec.add(Problem, CodeNoDetails, p, "it has no export-details: it does not say which gateway it comes from, or when it was made")
	}
	if l.config != "" && l.config != l.domain {
		rec.add(Problem, CodeOtherDomain, p, "its export-details name domain %q, but its configuration is that of domain %q", Printable(l.domain), Printable(l.config))
	}
	switch {
	case len(l.domains) > 0: // the domains' own lists name the files
	case len(c.nested()) > 0: // the domains' own lists name the files, but a gateway may look for the domains in this list when it imports it
		if l.details {
			rec.add(Warning, CodeNoDomains, p, "it does not list the domains, as gateways do, so it is not known whether it can be restored as a whole")
		}
	case !l.filed:
		rec.add(Problem, CodeNoFiles, p, "it has no list of files, so nobody can tell whether a file is missing or changed")
	case l.files == 0:
		rec.add(Warning, CodeNoFiles, p, "it lists no files, so there is no hash to compare")
	}
}

// place assigns what the list says about a file to its entry.
func (c *contentsOf) place(f listed) {
	if i, ok := c.zip.lookup(f.src); ok && f.src != "" {
		c.expected[i] = expectation{hash: f.hash, listed: true}
		return
	}
	if len(c.elsewhere) == maxElsewhere {
		c.omitted++
		return
	}
	c.elsewhere = append(c.elsewhere, f)
}

func (r *run) outer(src io.ReaderAt, size int64) error {
	c, err := r.readList("", src, size)
	if err != nil {
		return err
	}
	if len(c.zip.entries) == 0 {
		return nil // the reason is recorded
	}
	nested := c.nested()
	kind := KindExport
	switch {
	case c.list == nil && len(c.policy()) > 0:
		kind, nested = KindPolicy, c.policy()
	case c.list == nil:
		r.noExport(c, nested)
		return nil
	case len(nested) > 0 || len(c.list.domains) > 0:
		kind = KindBackup
	}
	r.rec.count(func(rep *Report) {
		rep.Kind = kind
		if c.list != nil {
			rep.Device, rep.Made = c.list.device, c.list.made
			if kind == KindExport && c.list.domain != "" {
				rep.Domains = append(rep.Domains, Printable(c.list.domain))
			}
		}
	})
	if kind == KindExport {
		r.missing(c, nil)
		return r.entries(c, nil, nil)
	}
	// Entries that the inner archives share are hashed with the rest of the outer archive. They are compared with
	// the inner lists afterwards.
	shared := &shared{sums: make([][]byte, len(c.zip.entries)), used: make([]bool, len(c.zip.entries)), zip: c.zip}
	if err := r.entries(c, nested, shared); err != nil {
		return err
	}
	r.missing(c, nil)
	if err := r.nestedArchives(c, nested, shared); err != nil {
		return err
	}
	if kind == KindBackup {
		shared.report(&r.rec, c)
	}
	return nil
}

// noExport reports once what is wrong with an archive that has no list: its content cannot be compared with
// anything.
func (r *run) noExport(c *contentsOf, nested map[int]string) {
	var within []string
	for i := range nested {
		within = append(within, Printable(c.zip.entries[i].name))
	}
	slices.Sort(within)
	switch {
	case len(within) > 0:
		r.rec.add(Problem, CodeNoExport, "", "this is a zip archive but not a gateway export: it has no export.xml; if somebody packed exports into it, unpack it and verify %s", within[0])
	default:
		r.rec.add(Problem, CodeNoExport, "", "this is a zip archive but not a gateway export: it has no export.xml")
	}
}

// entries verifies the entries of an archive except its list and those in skip. With shared, it hashes every
// entry and keeps the hash.
func (r *run) entries(c *contentsOf, skip map[int]string, shared *shared) error {
	order, total := c.order(skip)
	var wg sync.WaitGroup
	for _, i := range order {
		if r.ctx.Err() != nil {
			break
		}
		wg.Add(1)
		r.pool.start(c.zip.path(c.zip.entries[i].name), func(w *worker) {
			if err := r.entry(w, c, i, total, shared); err != nil {
				r.cancel(err)
			}
		}, wg.Done)
	}
	wg.Wait()
	return context.Cause(r.ctx)
}

// order returns the entries to read: by position, except that entries come first that would keep one core busy
// after the others have finished.
func (c *contentsOf) order(skip map[int]string) ([]int, int64) {
	order := make([]int, 0, len(c.zip.entries))
	var total int64
	for i := range c.zip.entries {
		if _, ok := skip[i]; ok || c.zip.entries[i].name == exportXML && c.zip.byName[exportXML] == i {
			continue
		}
		order = append(order, i)
		total += c.zip.entries[i].size
	}
	large := func(i int) int {
		if c.zip.entries[i].size > total/16 {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if d := large(a) - large(b); d != 0 {
			return d
		}
		ea, eb := &c.zip.entries[a], &c.zip.entries[b]
		if large(a) == 0 {
			return int(min(1, max(-1, eb.size-ea.size)))
		}
		return int(min(1, max(-1, ea.offset-eb.offset)))
	})
	return order, total
}

func (r *run) entry(w *worker, c *contentsOf, i int, total int64, shared *shared) error {
	e, want := &c.zip.entries[i], c.expected[i]
	p := c.zip.path(e.name)
	var extra func([]byte) error
	if collect := r.verifier.collect; collect != nil && !e.dir() {
		var done func()
		if extra, done = collect.file(c.zip.label, e); extra == nil {
			return nil
		}
		defer done()
	}
	if e.dir() {
		if e.size != 0 {
			r.rec.add(Problem, CodeSize, p, "it is a directory and holds %d bytes", e.size)
		}
		return r.plain(w, c.zip, i)
	}
	var h hash.Hash
	var sum []byte
	switch {
	case want.hash != "":
		if strings.HasPrefix(e.name, "config/") && strings.HasSuffix(e.name, ".zip") {
			r.rec.add(ByDesign, CodePattern, p, "a pattern: a separate export inside this one; its hash was compared, but its content was not read")
		}
		var err error
		if sum, err = base64.StdEncoding.DecodeString(want.hash); err == nil {
			h = newHash(len(sum))
		}
		if h == nil {
			r.rec.add(Problem, CodeHash, p, "its listed hash %q is of an unknown kind and cannot be checked", Printable(want.hash))
		}
	case want.listed:
		r.rec.add(ByDesign, CodeNoHash, p, "it is listed without a hash: only its CRC-32 was checked")
	case shared == nil && generated(e.name):
		r.rec.add(ByDesign, CodeUnlisted, p, "the gateway does not list it: only its CRC-32 was checked")
	case shared == nil:
		r.rec.add(Warning, CodeUnlisted, p, "it is not listed in export.xml: only its CRC-32 was checked")
	}
	if h == nil && shared != nil {
		h = sha1.New() //nolint:gosec // what the gateway lists
	}
	if h != nil && h.Size() == sha1.Size {
		w.sha1.Reset()
		h = w.sha1
	}
	overlap := e.size > 1<<20 && e.size > total/int64(r.pool.size)
	got, err := c.zip.readEntry(r.ctx, &r.rec, w, i, h, extra, overlap)
	if err != nil || !got.read {
		return err
	}
	if shared != nil {
		shared.sums[i] = got.sum
	}
	if sum != nil && h != nil {
		r.compare(p, sum, got.sum)
	}
	return nil
}

func (r *run) compare(p string, want, got []byte) {
	if string(want) != string(got) {
		r.rec.add(Problem, CodeHash, p, "its content is not what export.xml lists: its hash is %s, but %s is listed",
			base64.StdEncoding.EncodeToString(got), base64.StdEncoding.EncodeToString(want))
		return
	}
	r.rec.count(func(rep *Report) { rep.Hashed++ })
}

// plain reads an entry only to check its CRC-32.
func (r *run) plain(w *worker, z *zipFile, i int) error {
	_, err := z.readEntry(r.ctx, &r.rec, w, i, nil, nil, false)
	return err
}

// generated reports whether the gateway puts an entry into archives without listing it.
func generated(name string) bool {
	return name == exportXML || strings.HasPrefix(name, "dp-aux/") || path.Dir(name) == "config" && path.Ext(name) == ".cfg"
}

// missing reports listed files that are not in the archive. With shared, they may be in the outer archive
// instead.
func (r *run) missing(c *contentsOf, shared *shared) {
	for _, f := range c.elsewhere {
		name := cmp.Or(f.src, f.name)
		p := c.zip.path(name)
		if shared != nil && f.src != "" {
			if i, ok := shared.zip.lookup(f.src); ok {
				r.inOuter(p, f, i, shared)
				continue
			}
		}
		switch {
		case f.key:
			store, _, _ := strings.Cut(sourceName(name), "/")
			r.rec.add(ByDesign, CodeKey, p, "a file of %s: (key, certificate or secret) that the gateway does not export", Printable(store))
			r.rec.count(func(rep *Report) { rep.Withheld = append(rep.Withheld, Printable(p)) })
			r.absent(c, name, Withheld)
		case f.missing:
			r.rec.add(Warning, CodeMissing, p, "the gateway did not have the file when the export was made")
			r.absent(c, name, Missing)
		default:
			r.rec.add(Problem, CodeMissing, p, "it is listed in export.xml, but not in the archive")
		}
	}
}

// inOuter compares an inner list with a file in the outer archive.
func (r *run) inOuter(p string, f listed, i int, shared *shared) {
	shared.use(i)
	sum, err := base64.StdEncoding.DecodeString(f.hash)
	got := shared.sums[i]
	switch {
	case f.hash == "":
		r.rec.add(ByDesign, CodeNoHash, p, "it is listed without a hash: only its CRC-32 was checked")
	case err != nil || newHash(len(sum)) == nil:
		r.rec.add(Problem, CodeHash, p, "its listed hash %q is of an unknown kind and cannot be checked", Printable(f.hash))
	case got == nil:
		r.rec.add(Problem, CodeContent, p, "it is damaged in the outer archive")
	case len(sum) != len(got):
		r.rec.add(Warning, CodeNoHash, p, "it is in the outer archive, listed with a hash of %d bytes: only its CRC-32 was checked", len(sum))
	default:
		r.compare(p, sum, got)
	}
}

// isMedium reports whether an error is a read error, not a fault of the
// archive.
func isMedium(err error) bool {
	var m *readError
	return errors.As(err, &m)
}
