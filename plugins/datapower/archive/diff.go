package archive

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Difference is one thing that differs between two archives. Its texts are safe to print.
type Difference struct {
	// Domain is the domain that it is about. In a backup of domains it is empty for what belongs to
	// none of them.
	Domain string `json:"domain,omitempty"`
	What   What   `json:"what"`
	Change Change `json:"change"`
	Class  string `json:"class,omitempty"` // of an object
	// Name is the name of the object or file. If an archive has a class and name twice, the second name ends in
	// (2).
	Name string `json:"name,omitempty"`
	// Properties are the differing properties of a changed object. There are none if too much
	// would have to be kept.
	Properties []Property `json:"properties,omitempty"`
	Omitted    int        `json:"omitted,omitempty"` // properties beyond the first thousand
	// These are for a file: its size in bytes in both archives and, for texts that are not too long, how many
	// lines only one of them has.
	OldSize      int64  `json:"old_size,omitempty"`
	NewSize      int64  `json:"new_size,omitempty"`
	LinesRemoved int    `json:"lines_removed,omitempty"`
	LinesAdded   int    `json:"lines_added,omitempty"`
	Text         string `json:"text,omitempty"` // more about the difference
}

// Absent says why the first and the second archive name the file without holding it: [Withheld] or [Missing].
// Empty: the archive holds the file, or does not name it.
func (d *Difference) Absent() (first, second string) {
	was, is, both := strings.Cut(d.Text, " -> ")
	if !both {
		is = was
	}
	why := func(text string) string {
		if d.What != WhatFile || text != Withheld && text != Missing {
			return ""
		}
		return text
	}
	return why(was), why(is)
}

// What says which kind of thing a difference is about.
type What string

// The kinds of things that differ.
const (
	WhatDomain What = "domain"
	WhatObject What = "object"
	WhatFile   What = "file"
)

// Diff lists the differences between two archives.
type Diff struct {
	A, B        *Report
	Differences []Difference // by domain, objects before files, by class and name
	Omitted     int          // differences beyond the first hundred thousand
	// Withheld counts the files that neither archive holds, because the gateway exports only their names. Nobody
	// can know whether they changed.
	Withheld int
}

const (
	maxThings      = 500_000 // objects and files of an archive
	maxDifferences = 100_000
	maxDetail      = 32 << 20 // of objects and files of the first archive, kept to compare their content
	maxLines       = 1 << 20  // largest text whose lines are counted
)

// NotWhole says that an archive is broken and cannot be compared.
type NotWhole struct {
	Name    string
	Problem Finding // the first one
}

func (e *NotWhole) Error() string {
	return fmt.Sprintf("%s is not whole, so it is not compared: %s", Printable(e.Name), strings.TrimPrefix(e.Problem.String(), string(Problem)+": "))
}

// Diff returns the differences between the export with the second name and the
// one with the first: in objects, whatever their order, and in files. Author,
// time and comment of an export do not count. Both exports are verified first.
// Diff reads each of them twice. In between it keeps a fingerprint of each
// thing, and of the differences little more than it reports.
func (v Verifier) Diff(ctx context.Context, a, b string) (*Diff, error) {
	before, err := v.snapshot(ctx, a)
	if err != nil {
		return nil, err
	}
	after, err := v.snapshot(ctx, b)
	if err != nil {
		return nil, err
	}
	if before.report.Kind != after.report.Kind {
		return nil, fmt.Errorf("%s is %s and %s is %s: they cannot be compared", Printable(a), kindText[before.report.Kind], Printable(b), kindText[after.report.Kind])
	}
	c := comparison{before: before, after: after, kept: map[place]*node{}, texts: map[fileKey][]byte{}, changed: map[fileKey]*Difference{}}
	c.diff.A, c.diff.B = before.report, after.report
	c.compare()
	if err := c.detail(ctx, v, a, before, after, false); err != nil {
		return nil, err
	}
	if err := c.detail(ctx, v, b, after, before, true); err != nil {
		return nil, err
	}
	return c.finish(), nil
}

// collector receives the content of an archive, from several goroutines.
type collector struct {
	part   func(label string) bool // false: this inner archive is not wanted
	object func(label string, n *node) error
	// file returns a function for the bytes of an entry and one that is called at their end; nil: the entry
	// need not be read.
	file   func(label string, e *entry) (func([]byte) error, func())
	absent func(label, name, why string)
}

// absent passes on a listed file that the archive does not hold and need not hold.
func (r *run) absent(c *contentsOf, name, why string) {
	if collect := r.verifier.collect; collect != nil {
		collect.absent(c.zip.label, name, why)
	}
}

// place identifies an object: its inner archive, and a fingerprint of its class, its name and how many of these
// came before it.
type place struct {
	label string
	key   [16]byte
}

func placeOf(label string, n *node, nth int) place {
	h := sha256.New()
	write(h, n.class, n.name, fmt.Sprint(nth))
	return place{label, [16]byte(h.Sum(nil))}
}

// twins counts the objects with the same class and name.
type twins map[place]int

// next returns the place of an object, and how many of its class and name came
// before it.
func (t twins) next(label string, n *node) (place, int) {
	first := placeOf(label, n, 0)
	nth := t[first]
	t[first]++
	if nth == 0 {
		return first, 0
	}
	return placeOf(label, n, nth), nth
}

// fileKey identifies a file: its inner archive, and its name there.
type fileKey struct{ label, name string }

// fileState is what is compared about a file.
type fileState struct {
	sum    [sha256.Size]byte
	size   int64
	absent string // why it is not in the archive
}

// snapshot is the content of an archive.
type snapshot struct {
	report  *Report
	parts   map[string]bool // labels of the inner archives
	objects map[place][sha256.Size]byte
	files   map[fileKey]fileState
	things  int
}

func (v Verifier) snapshot(ctx context.Context, name string) (*snapshot, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name an export; a secure backup is encrypted and cannot be compared", Printable(name))
	}
	s := &snapshot{parts: map[string]bool{}, objects: map[place][sha256.Size]byte{}, files: map[fileKey]fileState{}}
	var mu sync.Mutex
	errFull := fmt.Errorf("it holds more than %d objects and files, which is more than dprun compares", maxThings)
	seen := twins{}
	put := func(label, name string, f fileState) {
		mu.Lock()
		defer mu.Unlock()
		s.files[fileKey{label, name}] = f
		s.things++
	}
	v.collect = &collector{
		part: func(label string) bool {
			mu.Lock()
			defer mu.Unlock()
			s.parts[label] = true
			return true
		},
		object: func(label string, n *node) error {
			mu.Lock()
			defer mu.Unlock()
			if s.things++; s.things > maxThings {
				return errFull
			}
			at, _ := seen.next(label, n)
			s.objects[at] = n.sum
			return nil
		},
		file: func(label string, e *entry) (func([]byte) error, func()) {
			sum := &fileHash{h: sha256.New(), config: startup(e.name)}
			take := func(p []byte) error {
				mu.Lock()
				full := s.things > maxThings
				mu.Unlock()
				if full {
					return errFull
				}
				sum.write(p)
				return nil
			}
			return take, func() { put(label, e.name, fileState{sum: sum.done(), size: e.size}) }
		},
		absent: func(label, name, why string) { put(label, sourceName(name), fileState{absent: why}) },
	}
	report, err := v.VerifyFile(ctx, name)
	switch {
	case errors.Is(err, errFull):
		return nil, fmt.Errorf("%s cannot be compared: %w", Printable(name), errFull)
	case err != nil:
		return nil, err
	case !report.Whole():
		return nil, &NotWhole{name, report.Problems()[0]}
	}
	s.report = report
	return s, nil
}

// startup reports whether a file is a saved configuration, whose comment says when it was written.
func startup(name string) bool {
	return strings.HasPrefix(name, "config/") && strings.HasSuffix(name, ".cfg")
}

// generatedLine begins the line of a saved configuration that says when it was generated, and by which firmware.
var generatedLine = []byte("# configuration generated ")

// fileHash hashes a file. It leaves out the line of a saved configuration that says when it was written, which is
// one of the first lines.
type fileHash struct {
	h      hash.Hash
	config bool
	head   []byte
}

const maxHead = 4 << 10

func (f *fileHash) write(p []byte) {
	if !f.config {
		f.h.Write(p)
		return
	}
	n := min(len(p), maxHead-len(f.head))
	if f.head = append(f.head, p[:n]...); len(f.head) == maxHead {
		f.flush()
		f.h.Write(p[n:])
	}
}

func (f *fileHash) flush() {
	f.h.Write(undated(f.head))
	f.head, f.config = nil, false
}

func (f *fileHash) done() [sha256.Size]byte {
	f.flush()
	return [sha256.Size]byte(f.h.Sum(nil))
}

// undated removes the line that says when it was written from a saved configuration or its beginning.
func undated(text []byte) []byte {
	i := bytes.Index(text, generatedLine)
	if i < 0 || i > 0 && len(bytes.TrimSpace(text[bytes.LastIndexByte(text[:i], '\n')+1:i])) > 0 {
		return text
	}
	end := bytes.IndexByte(text[i:], '\n')
	if end < 0 {
		return text
	}
	return slices.Concat(text[:i], text[i+end:])
}

// comparison is one Diff under way.
type comparison struct {
	before, after *snapshot
	diff          Diff
	kept          map[place]*node // objects of the first archive that changed; nil: not kept
	texts         map[fileKey][]byte
	detailed      int
	changed       map[fileKey]*Difference
	found         []located
}

// located is a difference with its sort key.
type located struct {
	*Difference
	nth int
}

func (c *comparison) add(d *Difference, nth int) {
	if len(c.found) == maxDifferences {
		c.diff.Omitted++
		return
	}
	c.found = append(c.found, located{d, nth})
}

// domain returns the domain of an inner archive.
func (c *comparison) domain(label string) string {
	if r := c.diff.A; label == "" && r.Kind == KindExport && len(r.Domains) > 0 {
		return r.Domains[0]
	}
	return Printable(strings.TrimSuffix(strings.TrimSuffix(label, "/"), ".zip"))
}

// both reports whether both archives have an inner archive. If only one of them has it, its content is not
// listed.
func (c *comparison) both(label string) bool {
	return label == "" || c.before.parts[label] && c.after.parts[label]
}

// compare finds differences in domains and files, without looking inside the
// files.
func (c *comparison) compare() {
	for _, side := range []struct {
		has, lacks *snapshot
		change     Change
	}{{c.before, c.after, Removed}, {c.after, c.before, Added}} {
		for label := range side.has.parts {
			if !side.lacks.parts[label] {
				c.add(&Difference{Domain: c.domain(label), What: WhatDomain, Change: side.change}, 0)
			}
		}
		for at, f := range side.has.files {
			if _, ok := side.lacks.files[at]; ok || !c.both(at.label) {
				continue
			}
			d := c.file(at, side.change, f.absent)
			if side.change == Added {
				d.NewSize = f.size
			} else {
				d.OldSize = f.size
			}
		}
	}
	for at, old := range c.before.files {
		now, ok := c.after.files[at]
		switch {
		case !ok || !c.both(at.label):
		case old == now && old.absent == Withheld:
			c.diff.Withheld++
		case old.absent != now.absent || old.sum != now.sum:
			d := c.file(at, Changed, old.absent, now.absent)
			d.OldSize, d.NewSize = old.size, now.size
			if old.absent == now.absent {
				c.changed[at] = d
			}
		}
	}
}

// These are the reasons why a listed file is not in an archive.
const (
	Withheld = "only its name is exported"
	Missing  = "listed, but not on the gateway"
)

func (c *comparison) file(at fileKey, change Change, absent ...string) *Difference {
	for i, why := range absent {
		absent[i] = cmp.Or(why, "exported")
	}
	d := &Difference{Domain: c.domain(at.label), What: WhatFile, Change: change, Name: Printable(at.name)}
	if text := strings.Join(slices.Compact(absent), " -> "); text != "exported" {
		d.Text = text
	}
	c.add(d, 0)
	return d
}

// detail reads an archive again for the content of what differs. It keeps changed things of the first archive;
// with second it compares those of the second.
func (c *comparison) detail(ctx context.Context, v Verifier, name string, own, other *snapshot, second bool) error {
	open := map[string]bool{} // inner archives in which something differs
	count := func(of, with *snapshot) (n int) {
		for at, sum := range of.objects {
			if with.objects[at] != sum && c.both(at.label) {
				open[at.label] = true
				n++
			}
		}
		return n
	}
	expected := count(own, other)
	for at := range c.changed {
		open[at.label] = true
	}
	if len(open) == 0 {
		return nil
	}
	changeOf := Removed
	if second {
		changeOf = Added
	}
	seen := twins{}
	v.Workers, v.Memo = 1, nil // in the order of the archive, so that chance does not decide what is kept
	v.collect = &collector{
		part: func(label string) bool { return open[label] },
		object: func(label string, n *node) error {
			at, nth := seen.next(label, n)
			theirs, both := other.objects[at]
			if own.objects[at] != n.sum || !c.both(label) || theirs == n.sum {
				return nil // if it has changed since, it is missed below
			}
			expected--
			d := &Difference{Domain: c.domain(label), What: WhatObject, Change: changeOf, Class: Printable(n.class), Name: Printable(n.name)}
			if nth > 0 {
				d.Name = fmt.Sprintf("%s (%d)", d.Name, nth+1)
			}
			switch {
			case !both:
				c.add(d, nth)
			case !second:
				c.keep(at, n)
			default:
				d.Change = Changed
				if old := c.kept[at]; old != nil {
					var p properties
					p.compare("", old, n, false)
					d.Properties, d.Omitted = p.found, p.omitted
				} else {
					d.Text = "too much changed to name its properties"
				}
				delete(c.kept, at)
				c.add(d, nth)
			}
			return nil
		},
		file: func(label string, e *entry) (func([]byte) error, func()) {
			at := fileKey{label, e.name}
			d := c.changed[at]
			if d == nil || d.OldSize > maxLines || d.NewSize > maxLines || !second && c.detailed+int(e.size) > maxDetail {
				return nil, nil
			}
			var text []byte
			return func(p []byte) error { text = append(text, p...); return nil }, func() {
				if startup(e.name) {
					text = undated(text)
				}
				if old, ok := c.texts[at]; second && ok {
					d.LinesRemoved, d.LinesAdded = lines(old, text)
				} else if !second {
					c.texts[at] = text
					c.detailed += len(text)
				}
			}
		},
		absent: func(string, string, string) {},
	}
	f, err := os.Open(name) //nolint:gosec // the caller's choice
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if _, err := v.Verify(ctx, f, info.Size()); err != nil {
		return fmt.Errorf("compare %s: %w", Printable(name), err)
	}
	if expected != 0 {
		return fmt.Errorf("%s changed while it was compared: try again when nothing is writing it", Printable(name))
	}
	return nil
}

func (c *comparison) keep(at place, n *node) {
	if c.detailed+n.size > maxDetail {
		return
	}
	c.detailed += n.size
	c.kept[at] = n
}

// lines counts the lines that only one of two texts has, wherever they are. It
// returns zero if one of them is not a text.
func lines(a, b []byte) (removed, added int) {
	for _, t := range [][]byte{a, b} {
		if bytes.IndexByte(t, 0) >= 0 || !utf8.Valid(t) {
			return 0, 0
		}
	}
	count := map[string]int{}
	for line := range bytes.Lines(a) {
		count[string(line)]++
	}
	for line := range bytes.Lines(b) {
		count[string(line)]--
	}
	for _, n := range count {
		removed += max(0, n)
		added += max(0, -n)
	}
	return removed, added
}

// finish sorts the differences.
func (c *comparison) finish() *Diff {
	rank := map[What]int{WhatDomain: 0, WhatObject: 1, WhatFile: 2}
	slices.SortFunc(c.found, func(a, b located) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), rank[a.What]-rank[b.What], strings.Compare(a.Class, b.Class), strings.Compare(a.Name, b.Name), a.nth-b.nth,
			strings.Compare(string(a.Change), string(b.Change)))
	})
	for _, d := range c.found {
		c.diff.Differences = append(c.diff.Differences, *d.Difference)
	}
	return &c.diff
}
