package archive

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	// memorySpool is the size up to which an inner archive is unpacked in memory.
	memorySpool     = 4 << 20
	defaultMaxSpool = 16 << 30
)

// shared holds what inner archives look up in the outer one.
type shared struct {
	zip  *zipFile
	sums [][]byte // SHA-1 by entry; nil: not read, or damaged
	mu   sync.Mutex
	used []bool
}

func (s *shared) use(i int) {
	s.mu.Lock()
	s.used[i] = true
	s.mu.Unlock()
}

// report reports the entries of the outer archive that no list confirms.
func (s *shared) report(rec *recorder, c *contentsOf) {
	for i := range s.zip.entries {
		e := &s.zip.entries[i]
		if s.used[i] || c.expected[i].listed || e.dir() || s.sums[i] == nil {
			continue
		}
		if generated(e.name) {
			rec.add(ByDesign, CodeUnlisted, e.name, "no domain lists it: only its CRC-32 was checked")
		} else {
			rec.add(Warning, CodeUnlisted, e.name, "it is not listed: only its CRC-32 was checked")
		}
	}
}

// nested returns the domain archives in an outer archive, by entry.
func (c *contentsOf) nested() map[int]string {
	out := map[int]string{}
	for i := range c.zip.entries {
		name := c.zip.entries[i].name
		if domain, ok := strings.CutSuffix(name, ".zip"); ok && !strings.Contains(name, "/") && !c.expected[i].listed && c.zip.byName[name] == i {
			out[i] = domain
		}
	}
	return out
}

// policy returns the exports in a policy package of API Connect, by entry.
func (c *contentsOf) policy() map[int]string {
	out := map[int]string{}
	for i := range c.zip.entries {
		name := c.zip.entries[i].name
		if rest, ok := strings.CutPrefix(name, "implementation/"); ok && strings.HasSuffix(rest, ".zip") && !strings.Contains(rest, "/") && c.zip.byName[name] == i {
			out[i] = "" // it may come from any domain
		}
	}
	return out
}

// nestedArchives verifies the domain archives, a few in parallel. Their entries go to the same pool.
func (r *run) nestedArchives(c *contentsOf, nested map[int]string, shared *shared) error {
	named := map[string]bool{}
	if c.list != nil {
		for _, d := range c.list.domains {
			named[d] = true
			if _, ok := c.zip.byName[d+".zip"]; !ok {
				r.rec.add(Problem, CodeMissingDomain, d+".zip", "the domain is listed in export.xml, but its archive is not there")
			}
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, r.pool.size)
	for i := range c.zip.entries {
		domain, ok := nested[i]
		if !ok {
			continue
		}
		if len(named) > 0 && !named[domain] {
			r.rec.add(Warning, CodeUnlisted, c.zip.entries[i].name, "the domain is not listed in export.xml")
		}
		if r.ctx.Err() != nil {
			break
		}
		if collect := r.verifier.collect; collect != nil && !collect.part(c.zip.entries[i].name+"/") {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r.rec.survive(c.zip.entries[i].name, func() {
				if err := r.domainArchive(c.zip, i, domain, shared); err != nil {
					r.cancel(err)
				}
			})
		})
	}
	wg.Wait()
	return context.Cause(r.ctx)
}

func (r *run) domainArchive(z *zipFile, i int, domain string, shared *shared) error {
	src, size, release, err := r.unpack(z, i)
	if err != nil || src == nil {
		return err
	}
	defer release()
	label := z.entries[i].name + "/"
	c, err := r.readList(label, src, size)
	if err != nil {
		return err
	}
	if c.list == nil && len(c.zip.entries) > 0 {
		r.rec.add(Problem, CodeNoExport, z.path(z.entries[i].name), "it has no export.xml, so it is not the export of a domain")
		return nil
	}
	if domain == "" && c.list != nil {
		domain = c.list.domain
	}
	r.rec.count(func(rep *Report) {
		rep.Domains = append(rep.Domains, Printable(domain))
		if c.list != nil && rep.Device == (Device{}) {
			rep.Device, rep.Made = c.list.device, c.list.made
		}
	})
	if c.list != nil && c.list.domain != "" && c.list.domain != domain {
		r.rec.add(Problem, CodeOtherDomain, label+exportXML, "it is the export of domain %q", Printable(c.list.domain))
	}
	r.missing(c, shared)
	return r.entries(c, nil, nil)
}

// unpack makes an inner archive readable at any position. A stored one is read in place; others are unpacked in
// memory or in a temporary file that has no name any more. The source is nil if the entry is damaged, which
// unpack records.
func (r *run) unpack(z *zipFile, i int) (io.ReaderAt, int64, func(), error) {
	e := &z.entries[i]
	nothing := func() {}
	limit := cmp.Or(r.verifier.MaxSpool, defaultMaxSpool)
	if e.method != methodStored && e.size > limit {
		r.rec.add(Problem, CodeLimit, z.path(e.name), "the inner archive claims %d bytes, more than the %d that dprun unpacks", e.size, limit)
		return nil, 0, nothing, nil
	}
	var write func([]byte) error
	var src io.ReaderAt
	release := nothing
	switch {
	case e.skip:
		return nil, 0, nothing, nil
	case e.method == methodStored:
	case e.size <= memorySpool:
		buf := make([]byte, 0, e.size)
		write = func(p []byte) error { buf = append(buf, p...); src = bytes.NewReader(buf); return nil }
	default:
		f, err := os.CreateTemp(r.verifier.TempDir, "dprun-verify-*")
		if err != nil {
			return nil, 0, nothing, fmt.Errorf("unpack %s: %w", Printable(e.name), err)
		}
		_ = os.Remove(f.Name()) // best effort; if a system refuses it now, release does it
		release = func() { _ = f.Close(); _ = os.Remove(f.Name()) }
		src = f
		write = func(p []byte) error { _, err := f.Write(p); return err }
	}
	var got contents
	var at int64
	var err error
	r.pool.do(z.path(e.name), func(w *worker) {
		if got, err = z.readEntry(r.ctx, &r.rec, w, i, nil, write, false); err == nil && got.read && e.method == methodStored {
			at, _, err = z.localHeader(&recorder{}, w, e)
		}
	})
	if err != nil {
		release()
		return nil, 0, nothing, err
	}
	if !got.read {
		release()
		return nil, 0, nothing, nil
	}
	if e.method == methodStored {
		src = io.NewSectionReader(z.r, at, e.packed)
	}
	if src == nil {
		src = bytes.NewReader(nil)
	}
	return src, e.size, release, nil
}
