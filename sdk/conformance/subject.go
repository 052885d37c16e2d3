package conformance

import (
	"cmp"
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Subject is the type of a plugin that is tested, with its configuration.
type Subject struct {
	// Start starts the plugin: [InProcess] or [Program].
	Start Starter
	// Process starts the plugin in a process of its own, for the rules that
	// need one. Nil: Start does so, or those rules are not tested.
	Process Starter
	// Kind and Type name the tested type of the plugin: a destination, a hook or
	// a source.
	Kind schema.Kind
	Type string
	// Config configures an instance; arguments with a default may be left out.
	// A destination's is for a directory that exists; every case works in a
	// fresh directory below it and removes what it stored. A hook's prints at
	// least a line and ends with 0.
	Config cty.Value
	// Fails configures a hook that ends with another code, Hangs one that does
	// not end by itself within a minute. With cty.NilVal, the rules that need that
	// hook are not tested.
	Fails, Hangs cty.Value
	// Work is what a source does; nil: rules that need it are not tested.
	Work *Work
	// Ordinary is the size of an ordinary file in bytes; 0: 9 MiB and a bit.
	// Large is the size of the file whose store is cancelled; 0: 64 MiB.
	Ordinary, Large int64
}

func (s *Subject) defaults() {
	s.Ordinary = cmp.Or(s.Ordinary, 9<<20+17)
	s.Large = cmp.Or(s.Large, 64<<20)
}

// bed holds what one case works with. Fields for abilities that the plugin
// lacks are nil.
type bed struct {
	T
	ctx     context.Context
	s       Subject
	running *Running
	offered schema.Plugin
	block   schema.Block
	config  cty.Value // s.Config with its defaults

	sdk.Destination
	sweeper sdk.Sweeper
	reader  sdk.Reader
	lister  sdk.Lister
	deleter sdk.Deleter
	summer  sdk.Summer
	remains sdk.LeftoverLister
	dir     string
	owner   string
	closed  bool // whether the destination is closed

}

// notAsked ends a case whose rule cannot be tested.
func notAsked(t T, format string, why string) {
	if b, ok := t.(interface{ NotAsked(string) }); ok {
		b.NotAsked(why)
		return
	}
	t.Logf(format, why)
}

// look tests a rule.
func (r rule) look(ctx context.Context, t T, s Subject) {
	b := &bed{T: t, ctx: ctx, s: s, dir: "dprun-conformance/" + rand.Text(), owner: rand.Text()}
	start := s.Start
	if r.Where == OwnProcess && s.Process != nil {
		start = s.Process
	}
	b.start(start)
	defer func() { b.running.Stop() }()
	if why := b.lacks(r.Rule); why != "" {
		notAsked(t, "not asked: %s", why)
		return
	}
	defer b.cleanUp()
	if r.Kind == schema.KindDestination {
		b.open()
	}
	r.run(b)
}

// lacks says why a rule cannot be tested here; empty: it can.
func (b *bed) lacks(r Rule) string {
	switch {
	case r.Where == OwnProcess && b.running.pid == 0:
		return "the plugin is not a process of its own here"
	case r.Where == SameAsTest && b.running.pid != 0:
		return "the plugin is a process of its own here"
	case r.Ability == "":
		return ""
	}
	for _, a := range b.offered.Abilities(b.s.Kind, b.s.Type) {
		if a == r.Ability {
			return ""
		}
	}
	return "the " + string(b.s.Kind) + " does not offer to " + string(r.Ability)
}

// start starts the plugin.
func (b *bed) start(start Starter) {
	b.Helper()
	running, err := start(b.ctx)
	if err != nil {
		b.Fatalf("start the plugin: %v", err)
	}
	b.running = running
	fail := func(format string, args ...any) {
		running.Stop()
		b.Fatalf(format, args...)
	}
	if b.offered, err = running.Describe(b.ctx); err != nil {
		fail("describe: %v", err)
	}
	var ok bool
	if b.block, ok = b.offered.Config(b.s.Kind, b.s.Type, ""); !ok {
		fail("the plugin %s offers no %s %q", b.offered.Name, b.s.Kind, b.s.Type)
	}
	if b.config, err = b.block.ApplyDefaults(b.s.Config); err != nil {
		fail("the configuration does not fit the schema: %v", err)
	}
}

// restart starts the plugin again after its process was ended, and opens its destination.
func (b *bed) restart() {
	b.Helper()
	b.running.Stop()
	b.start(b.s.Start)
	b.open()
}

// open configures the destination that the case works with.
func (b *bed) open() {
	b.Helper()
	d, err := b.running.ConfigureDestination(b.ctx, b.s.Type, b.config)
	if err != nil {
		b.Fatalf("configure an instance: %v", err)
	}
	b.Destination, b.closed = d, false
	b.sweeper, b.reader, b.lister, b.deleter = offered[sdk.Sweeper](d), offered[sdk.Reader](d), offered[sdk.Lister](d), offered[sdk.Deleter](d)
	b.summer, b.remains = offered[sdk.Summer](d), offered[sdk.LeftoverLister](d)
}

// offered returns d as an A, or nil if d does not offer it.
func offered[A any](d sdk.Destination) (none A) {
	if a, ok := sdk.As[A](d); ok {
		return a
	}
	return none
}

func (b *bed) cleanUp() {
	if b.Destination == nil || b.closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Minute)
	defer cancel()
	if b.lister != nil && b.deleter != nil {
		objects, err := b.lister.List(ctx, b.dir)
		if err != nil {
			b.Errorf("list after the case: %v", err)
		}
		for _, o := range objects {
			if !strings.HasPrefix(o.Path, b.dir+"/") { // a destination with a wrong list may hold somebody's backups
				b.Errorf("the list of %s holds %s, which is not in it; nothing more is cleared up", b.dir, o.Path)
				break
			}
			if err := b.deleter.Delete(ctx, o.Path); err != nil {
				b.Errorf("delete %s after the case: %v", o.Path, err)
			}
		}
	}
	b.close()
}

func (b *bed) close() {
	b.Helper()
	b.closed = true
	b.end(b)
}

// instance configures another instance of the subject.
func (b *bed) instance(config cty.Value) (sdk.Instance, error) {
	switch b.s.Kind {
	case schema.KindHook:
		return b.running.ConfigureHook(b.ctx, b.s.Type, config)
	case schema.KindSource:
		return b.running.ConfigureSource(b.ctx, b.s.Type, config)
	}
	return b.running.ConfigureDestination(b.ctx, b.s.Type, config)
}

// configured makes an instance with the subject's configuration.
func (b *bed) configured() sdk.Instance {
	b.Helper()
	i, err := b.instance(b.config)
	if err != nil {
		b.Fatalf("configure: %v", err)
	}
	return i
}

// end closes an instance.
func (b *bed) end(i sdk.Instance) {
	if err := i.Close(); err != nil {
		b.Errorf("close: %v", err)
	}
}

// use makes an instance do its work once. Stored files are removed if the
// destination can do that.
func (b *bed) use(i sdk.Instance) error {
	b.Helper()
	switch i := i.(type) {
	case sdk.Hook:
		_, err := i.Run(b.ctx, request(), nil)
		return err
	case sdk.Source:
		_, err := i.Inspect(b.ctx, sdk.InspectRequest{})
		return err
	case sdk.Destination:
		if _, err := i.Check(b.ctx); err != nil {
			return err
		}
		r := b.source("used-"+rand.Text(), content(20_000))
		if _, err := i.Store(b.ctx, r, nil); err != nil {
			return err
		}
		if d, ok := sdk.As[sdk.Deleter](i); ok {
			return d.Delete(b.ctx, r.Path)
		}
	}
	return nil
}

// secrets returns the values of the sensitive arguments.
func secrets(block schema.Block, v cty.Value) (out []string) {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	for _, a := range block.Attributes {
		if a.Sensitive {
			_ = cty.Walk(v.GetAttr(a.Name), func(_ cty.Path, e cty.Value) (bool, error) {
				if !e.IsNull() && e.IsKnown() && e.Type() == cty.String {
					out = append(out, e.AsString())
				}
				return true, nil
			})
		}
	}
	for _, n := range block.Blocks {
		inner := v.GetAttr(n.Name)
		switch {
		case inner.IsNull() || !inner.IsKnown():
		case n.Nesting == schema.NestingList:
			for _, e := range inner.AsValueSlice() {
				out = append(out, secrets(n.Block, e)...)
			}
		default:
			out = append(out, secrets(n.Block, inner)...)
		}
	}
	return out
}

// tells reports whether a text gives a secret away: all of it or, for a secret
// of several lines, one line of its body.
func tells(text string, secrets []string) bool {
	for _, s := range secrets {
		for line := range strings.SplitSeq(s, "\n") {
			if len(line) >= 4 && !strings.HasPrefix(line, "-----") && strings.Contains(text, line) {
				return true
			}
		}
	}
	return false
}

// speak makes an instance succeed and fail, and notes everything that it says.
func (b *bed) speak(i sdk.Instance, note func(...any)) {
	b.Helper()
	switch i := i.(type) {
	case sdk.Hook:
		r, err := i.Run(b.ctx, request(), nil)
		note(r, err)
	case sdk.Source:
		found, err := i.Inspect(b.ctx, sdk.InspectRequest{})
		note(found, err)
		state, err := i.QuiesceState(b.ctx, sdk.Target{Domain: absent()})
		note(state, err, i.Discard(b.ctx, "no such token"))
		if w := b.s.Work; w != nil {
			_, err := i.Check(b.ctx, sdk.CheckRequest{Activity: w.Activity, Config: b.work().Config, Target: sdk.Target{Domain: absent()}})
			note(err)
		}
	case sdk.Destination:
		rep, err := i.Check(b.ctx)
		note(rep, err)
		good, other, wrong, bad := b.source("file", content(20_000)), b.source("file", content(20_001)), b.source("wrong", content(20_000)), b.source("x", nil)
		wrong.SHA256 = strings.Repeat("0", 64)
		bad.Path = "../x"
		for _, r := range []sdk.StoreRequest{good, good, other, wrong, bad} {
			rep, err := i.Store(b.ctx, r, nil)
			note(rep, err)
		}
		if r, ok := sdk.As[sdk.Reader](i); ok {
			rep, err := r.Fetch(b.ctx, sdk.FetchRequest{Path: b.path("nothing"), File: filepath.Join(b.TempDir(), "fetched")}, nil)
			note(rep, err)
		}
		if l, ok := sdk.As[sdk.Lister](i); ok {
			list, err := l.List(b.ctx, b.dir)
			note(list, err)
		}
		if d, ok := sdk.As[sdk.Deleter](i); ok {
			note(d.Delete(b.ctx, good.Path), d.Delete(b.ctx, "../x"))
		}
	}
}
