package conformance

import (
	"encoding/json"
	"regexp"

	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/schema"
)

func describeRules() []rule {
	return []rule{
		{Rule{ID: "describe/pure", ReadOnly: true, Holds: "Describe gives the same answer every time, in every process, before and after instances were configured.",
			Why:    "dprun keeps the answer. If it changes, a plan that was valid at the check is refused in the night, or its arguments mean something else.",
			Remedy: "Build the schema from constants: no time, no random value, no environment, no map that is walked in random order, no request to a server."}, describePure},
		{Rule{ID: "describe/complete", ReadOnly: true, Holds: "The plugin has a semantic version, and it, its types and their arguments have a text that says what they are.",
			Why:    "`dprun plugin list` and `dprun plugin describe` are all that an operator has in the night. A failure names the version, and without one nobody knows which build it was.",
			Remedy: "Set Version and Doc of the plugin, Doc of each type, and a doc tag on each field of the configuration."}, describeComplete},
	}
}

func describePure(b *bed) {
	answer := func(p *client.Plugin, err error) string {
		b.Helper()
		if err != nil {
			b.Fatalf("connect to the plugin again: %v", err)
		}
		s, err := p.Describe(b.ctx)
		if err != nil {
			b.Fatalf("describe: %v", err)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			b.Fatalf("describe: %v", err)
		}
		return string(raw)
	}
	want := answer(b.running.Plugin, nil)
	same := func(when, got string) {
		b.Helper()
		if got != want {
			b.Errorf("describe answers differently %s:\n%s\nat first:\n%s", when, got, want)
		}
	}
	same("the second time", answer(b.running.again()))
	if i, err := b.instance(b.config); err == nil {
		same("after an instance was configured", answer(b.running.again()))
		b.end(i)
	}
	other, err := b.s.Start(b.ctx)
	if err != nil {
		b.Fatalf("start the plugin a second time: %v", err)
	}
	defer other.Stop()
	same("after another start", answer(other.Plugin, nil))
}

var semantic = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

func describeComplete(b *bed) {
	s := b.offered
	if !semantic.MatchString(s.Version) {
		b.Errorf("the version %q is not a semantic version such as 1.2.0", s.Version)
	}
	described := func(doc, what string) {
		b.Helper()
		if doc == "" {
			b.Errorf("%s has no text", what)
		}
	}
	described(s.Doc, "the plugin")
	for _, t := range s.Sources {
		described(t.Doc, "the source "+t.Name)
		documented(t.Config, t.Name, described)
		for _, a := range t.Activities {
			described(a.Doc, "the activity "+a.Name)
			documented(a.Config, a.Name, described)
		}
	}
	for _, t := range s.Destinations {
		described(t.Doc, "the destination "+t.Name)
		documented(t.Config, t.Name, described)
	}
	for _, t := range s.Hooks {
		described(t.Doc, "the hook "+t.Name)
		documented(t.Config, t.Name, described)
	}
}

func documented(block schema.Block, at string, described func(doc, what string)) {
	for _, a := range block.Attributes {
		described(a.Doc, "the argument "+at+"."+a.Name)
	}
	for _, n := range block.Blocks {
		documented(n.Block, at+"."+n.Name, described)
	}
}
