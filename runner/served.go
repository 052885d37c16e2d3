package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
	"github.com/dprun/dprun/runner/serve"
)

// snapshot is a directory of plan files as it was at the first read. So a plan
// that runs later is the one that was checked.
type snapshot struct {
	disk fs.FS
	mu   sync.Mutex
	seen map[string]any // by call and name: the answers of the disk
}

func newSnapshot(dir string) *snapshot { return &snapshot{disk: os.DirFS(dir), seen: map[string]any{}} }

// answer is an answer of the disk to one call.
type answer[T any] struct {
	is  T
	err error
}

func remembered[T any](s *snapshot, call, name string, ask func(fs.FS, string) (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.seen[call+name].(answer[T]); ok {
		return known.is, known.err
	}
	var a answer[T]
	a.is, a.err = ask(s.disk, name)
	s.seen[call+name] = a
	return a.is, a.err
}

// Open implements [fs.FS]. It does not remember what it opens; only the calls
// below do.
func (s *snapshot) Open(name string) (fs.File, error) { return s.disk.Open(name) }

// ReadFile implements [fs.ReadFileFS].
func (s *snapshot) ReadFile(name string) ([]byte, error) {
	b, err := remembered(s, "file ", name, fs.ReadFile)
	return slices.Clone(b), err
}

// ReadDir implements [fs.ReadDirFS].
func (s *snapshot) ReadDir(name string) ([]fs.DirEntry, error) {
	return remembered(s, "dir ", name, fs.ReadDir)
}

// Stat implements [fs.StatFS].
func (s *snapshot) Stat(name string) (fs.FileInfo, error) {
	return remembered(s, "stat ", name, fs.Stat)
}

// digest returns a digest of the files that were read, of which files exist (for
// fileexists), and of the variables in the environment: a plan that is compiled
// from them depends on nothing else. What a directory holds decides only which
// files are read.
func (s *snapshot) digest(environ []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for call, known := range s.seen {
		switch a := known.(type) {
		case answer[[]byte]:
			lines = append(lines, fmt.Sprintf("%q %t %x", call, a.err == nil, sha256.Sum256(a.is)))
		case answer[fs.FileInfo]:
			lines = append(lines, fmt.Sprintf("%q %t", call, a.err == nil && a.is.Mode().IsRegular()))
		}
	}
	for _, line := range environ {
		if strings.HasPrefix(line, variablePrefix) {
			lines = append(lines, fmt.Sprintf("%q", line))
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// servedPlan holds the facts about a served plan.
type servedPlan struct {
	source   Source
	schedule schedule.Plan
	report   report.ServedPlan // without the fields that change
	quiesces []string          // the devices on which it quiesces something
}

// served reads the plans of a directory, and keeps the last good ones.
type served struct {
	r       *Runner
	q       ServeRequest
	feed    *newsfeed
	told    map[string]map[journal.Scheduled]servedPlan // by source
	changed string                                      // the fingerprint of the last look
	read    string                                      // the fingerprint of the last read
	good    map[string][]serve.Plan
	broken  map[string]journal.BrokenPlan
	plans   atomic.Pointer[map[journal.Scheduled]servedPlan] // for callers of the service; nil: nothing was read yet
	unknown atomic.Bool                                      // a source has no last good version: what its plans say is not known
}

// Read reads the directory. It returns nil if nothing has changed, or if the
// directory is still changing: it is read after two looks have found the same.
func (s *served) Read(always bool) *serve.Catalogue {
	print, sources, err := lookAt(s.q.Plans)
	if err != nil {
		return s.broke(s.q.Plans, err.Error())
	}
	still := print == s.changed
	if s.changed = print; !always && (!still || print == s.read) {
		return nil
	}
	s.read = print
	plugins := OpenPlugins(s.r.pluginOptions())
	defer plugins.Close() //nolint:errcheck // nothing is lost
	good, told := map[string][]serve.Plan{}, map[string]map[journal.Scheduled]servedPlan{}
	broken := map[string]journal.BrokenPlan{}
	for _, path := range sources {
		dir := planDir(path)
		files := newSnapshot(dir)
		plans, tell, secrets, why := s.load(path, files, plugins)
		if why == "" {
			good[path], told[path] = plans, tell
			s.keep(path, files, secrets)
			continue
		}
		if s.good[path] == nil { // it may have been valid before this process began
			if files = s.recall(path, dir); files != nil {
				if before, tell, _, wrong := s.load(path, files, plugins); wrong == "" {
					s.good[path], s.told[path] = before, tell
				}
			}
		}
		b := journal.BrokenPlan{Path: path, Since: s.r.Clock.Now(), Why: why}
		if before, was := s.broken[path]; was {
			b.Since = before.Since
		}
		if good[path], b.LastGood = s.good[path]; !b.LastGood {
			delete(good, path)
		}
		told[path], broken[path] = s.told[path], b
	}
	s.forget(sources)
	s.good, s.told, s.broken = good, told, broken
	return s.catalogue()
}

// forget removes the copies of sources that are gone, also of those that went while
// no server ran: a broken file that gets the name later has no last good one. If
// there is no source at all, it removes nothing: the directory may be one that is
// not mounted, or that is being replaced.
func (s *served) forget(sources []string) {
	if len(sources) == 0 {
		return
	}
	there := map[string]bool{}
	for _, path := range sources {
		there[filepath.Base(s.keptFile(path))] = true
	}
	copies, _ := os.ReadDir(s.r.state.Served()) // what cannot be read is not served either
	for _, c := range copies {
		if !there[c.Name()] {
			_ = os.Remove(filepath.Join(s.r.state.Served(), c.Name()))
		}
	}
}

// broke keeps all plans if the directory cannot be read.
func (s *served) broke(path, why string) *serve.Catalogue {
	if before, was := s.broken[path]; was && before.Why == why {
		return nil
	}
	s.read = "" // so that it is read as soon as that is possible
	s.broken[path] = journal.BrokenPlan{Path: path, Since: s.r.Clock.Now(), Why: why, LastGood: len(s.good) > 0}
	return s.catalogue()
}

func (s *served) catalogue() *serve.Catalogue {
	c := &serve.Catalogue{}
	all := map[journal.Scheduled]servedPlan{}
	for _, of := range s.told {
		maps.Copy(all, of)
	}
	unknown := false
	for _, b := range s.broken {
		unknown = unknown || !b.LastGood
	}
	if unknown { // never is it known too early
		s.unknown.Store(true)
	}
	s.plans.Store(&all)
	s.unknown.Store(unknown)
	for _, path := range slices.Sorted(maps.Keys(s.good)) {
		c.Plans = append(c.Plans, s.good[path]...)
	}
	for _, path := range slices.Sorted(maps.Keys(s.broken)) {
		c.Broken = append(c.Broken, s.broken[path])
	}
	return c
}

// load compiles one source, and says why it cannot be used. secrets are the
// secrets in its text.
func (s *served) load(path string, files *snapshot, plugins *Plugins) (plans []serve.Plan, told map[journal.Scheduled]servedPlan, secrets []string, why string) {
	src := Source{Path: path, Environ: s.r.Environ, files: files}
	loaded, ds, err := Load(context.Background(), src, plugins)
	if err != nil {
		return nil, nil, nil, err.Error()
	}
	if ds.HasErrors() {
		return nil, nil, nil, firstError(ds)
	}
	told = map[journal.Scheduled]servedPlan{}
	source := files.digest(s.r.Environ)
	for _, p := range loaded.Config.Plans {
		name := p.Name
		served := serve.Plan{Scheduled: journal.Scheduled{Plan: name, Origin: originOf(loaded, p)}, Rules: rulesOf(p), Schedule: scheduleOf(p), FourEyes: p.FourEyes, Source: source}
		served.Run = func(o serve.Order) serve.End { return s.r.runServed(s.q, s.feed, src, name, o) }
		served.Missed = s.r.missedOf(loaded, p)
		plans = append(plans, served)
		told[served.Scheduled] = servedPlan{source: src, schedule: served.Schedule, report: tellServed(p, served.Origin), quiesces: quiesced(p)}
	}
	return plans, told, loaded.Config.SensitiveValues(), ""
}

// tellServed returns the facts about a plan that do not depend on what is under
// way.
func tellServed(p *plan.Plan, origin string) report.ServedPlan {
	t := report.ServedPlan{Plan: p.Name, File: origin, Rules: scheduleRules(p), FourEyes: p.FourEyes, Devices: map[string]map[string]string{}}
	if p.Window != nil {
		t.Window = p.Window.Name
	}
	for _, a := range p.Activities {
		if q := lifecycle.QuiesceMode(a.Quiesce); q != lifecycle.QuiesceNone && q != "" {
			t.Quiesces = append(t.Quiesces, a.Name)
		}
		for _, d := range a.Devices {
			t.Devices[d.Name] = d.Labels
		}
	}
	return t
}

// quiesced returns the devices on which a run quiesces something.
func quiesced(p *plan.Plan) (devices []string) {
	for _, a := range p.Activities {
		if q := lifecycle.QuiesceMode(a.Quiesce); q == lifecycle.QuiesceNone || q == "" {
			continue
		}
		for _, d := range a.Devices {
			if !slices.Contains(devices, d.Name) {
				devices = append(devices, d.Name)
			}
		}
	}
	return devices
}

// firstError returns the first error of a plan, and how many more there are.
func firstError(ds diag.List) string {
	i := slices.IndexFunc(ds, func(d diag.Diagnostic) bool { return d.Severity == diag.Error })
	d := ds[i]
	text := d.Summary + ": " + d.Detail
	if d.Range != nil {
		text = fmt.Sprintf("%s line %d: %s", d.Range.Filename, d.Range.Start.Line, text)
	}
	if n := errorsIn(ds); n > 1 {
		text += fmt.Sprintf(" (and %d more errors)", n-1)
	}
	return text
}

// rulesOf returns a plan's schedules as text. It leaves out the jitter and the
// handling of missed times, because a change of these does not make the schedules
// new.
func rulesOf(p *plan.Plan) string {
	var rules []string
	for _, s := range p.Schedules {
		rules = append(rules, s.Cron+" "+s.Timezone)
	}
	return strings.Join(rules, "\n")
}

// entriesServed is the most entries of a directory of plans. A larger one was
// probably not meant.
const entriesServed = 20_000

// lookAt finds the plan files of a directory, and its subdirectories with plan
// files. What cannot be looked at counts as one, so that nothing that is served
// is lost: only what does not exist is gone. The fingerprint covers all files in the directory, including those that
// plans read.
func lookAt(dir string) (print string, sources []string, err error) {
	l := walk{dir: dir}
	err = filepath.WalkDir(dir, l.visit)
	if err == nil && len(l.sources) == 0 && l.text.Len() == 0 {
		l.text.WriteString("empty")
	}
	return l.text.String(), l.sources, err
}

// walk is a walk through a directory of plans.
type walk struct {
	dir     string
	text    strings.Builder // the fingerprint
	n       int
	sources []string
}

func (l *walk) visit(path string, e fs.DirEntry, err error) error {
	switch {
	case err != nil && path == l.dir:
		return fmt.Errorf("read the directory of plans: %w", err)
	case path != l.dir && strings.HasPrefix(e.Name(), "."):
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	case err != nil:
		fmt.Fprintf(&l.text, "%s: %v\n", path, err)
		if filepath.Dir(path) == l.dir && !errors.Is(err, fs.ErrNotExist) {
			l.add(path)
		}
		return nil
	}
	if l.n++; l.n > entriesServed {
		return fmt.Errorf("read the directory of plans: %s holds more than %d files; name a directory with plans alone", l.dir, entriesServed)
	}
	info, err := os.Stat(path) // a link counts as its target
	if err != nil {
		fmt.Fprintf(&l.text, "%s: %v\n", path, err)
		if plan.IsFile(e.Name()) && !errors.Is(err, fs.ErrNotExist) {
			l.found(path)
		}
		return nil
	}
	if !info.IsDir() {
		fmt.Fprintf(&l.text, "%s %d %d %s\n", path, info.Size(), info.ModTime().UnixNano(), info.Mode())
	}
	if plan.IsFile(e.Name()) && info.Mode().IsRegular() {
		l.found(path)
	}
	return nil
}

// found notes the source that a plan file belongs to.
func (l *walk) found(file string) {
	switch parent := filepath.Dir(file); {
	case parent == l.dir:
		l.add(file)
	case filepath.Dir(parent) == l.dir:
		l.add(parent)
	}
}

// add notes a source once. The walk leaves a source before it comes to the next.
func (l *walk) add(source string) {
	if n := len(l.sources); n == 0 || l.sources[n-1] != source {
		l.sources = append(l.sources, source)
	}
}
