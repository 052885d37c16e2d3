package drill_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/drill"
	"github.com/dprun/dprun/sdk"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func anything() pattern.Set { return pattern.Set{pattern.Literal("*")} }

func query() drill.Query {
	return drill.Query{Devices: anything(), Domains: anything(), Sample: 100, MaxAge: 30 * 24 * time.Hour, Now: now, Seed: "run",
		Opens: func(c backups.Copy) bool { return len(c.EncryptedFor()) == 0 }}
}

// set is the last good set of a domain.
func set(domain string, change func(*backups.Copy)) backups.Set {
	c := backups.Copy{Set: "SET-" + domain, Device: "gw1", Domain: domain, Activity: "domains", State: backups.Whole, StateID: "own",
		Files: []backups.File{{File: "r.zip", Variant: sdk.VariantRunning}, {File: "p.zip", Variant: sdk.VariantPersisted}}}
	if change != nil {
		change(&c)
	}
	return backups.Set{c}
}

// signed is a signature that counts.
func signed() *backups.Signature {
	s := &backups.Signature{}
	s.Trusted = true
	return s
}

func proof(domain string, days int, v backups.Verdict) backups.Proof {
	return backups.Proof{Set: "OLD", Subject: backups.Subject{Device: "gw1", Domain: domain, Activity: "domains"}, At: now.AddDate(0, 0, -days), Verdict: v}
}

func domains(p drill.Pick) (out []string) {
	for _, s := range p.Sets {
		out = append(out, s[0].Domain)
	}
	return out
}

func TestWhatWasDrilledLongestAgoComesFirst(t *testing.T) {
	t.Parallel()
	q := query()
	q.Sample = 3
	q.Proofs = []backups.Proof{
		proof("old", 200, backups.Proven), proof("older", 300, backups.Proven), proof("young", 2, backups.Proven), proof("never-good", 1, backups.Failed),
		proof("now-bad", 100, backups.Proven), proof("now-bad", 60, backups.Failed), proof("back", 90, backups.Failed), proof("back", 3, backups.Proven), proof("tomorrow", -1, backups.Proven),
		proof("unclear", 1, backups.Undecided), proof("good-then-unclear", 5, backups.Proven), proof("good-then-unclear", 1, backups.Undecided),
	}
	var latest []backups.Set
	for _, d := range []string{"young", "now-bad", "old", "never-good", "older", "new", "back", "tomorrow", "unclear", "good-then-unclear"} {
		latest = append(latest, set(d, nil))
	}
	got := q.Choose(latest)
	if diff := cmp.Diff([]string{"new", "older", "old"}, domains(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[drill.Left]int{drill.LeftProven: 3, drill.LeftLater: 4}, got.Left); diff != "" {
		t.Error(diff)
	}
	q.Sample = 100
	if diff := cmp.Diff([]string{"new", "older", "old", "now-bad", "never-good", "unclear", "tomorrow"}, domains(q.Choose(latest))); diff != "" {
		t.Error(diff)
	}
}

// TestALotDecidesBetweenEquals: the same one each time that is asked with the same seed.
func TestALotDecidesBetweenEquals(t *testing.T) {
	t.Parallel()
	var latest []backups.Set
	for i := range 20 {
		latest = append(latest, set(fmt.Sprintf("d%02d", i), nil))
	}
	q := query()
	q.Sample = 5
	first := domains(q.Choose(latest))
	if again := domains(q.Choose(latest)); !cmp.Equal(first, again) {
		t.Errorf("%v, then %v", first, again)
	}
	q.Seed = "another run"
	if other := domains(q.Choose(latest)); cmp.Equal(first, other) {
		t.Errorf("two runs drill the same: %v", other)
	}
}

func TestWhatCannotBeDrilledIsCounted(t *testing.T) {
	t.Parallel()
	q := query()
	q.Devices, q.Domains = pattern.Set{pattern.Literal("gw1")}, pattern.Set{pattern.Literal("d*")}
	only := func(variant string) func(*backups.Copy) {
		return func(c *backups.Copy) { c.Files = []backups.File{{File: "x.zip", Variant: variant}} }
	}
	whole := func(variant string) func(*backups.Copy) {
		return func(c *backups.Copy) { c.Domain = ""; only(variant)(c) }
	}
	got := q.Choose([]backups.Set{
		set("default", nil), set("d-running", only(sdk.VariantRunning)), set("secure", whole(sdk.VariantSecureBackup)), set("all", whole(sdk.VariantPersisted)), set("d-odd", only("odd")),
		set("d-foreign", func(c *backups.Copy) { c.Imported, c.StateID = true, "other" }), set("d-found", func(c *backups.Copy) { c.Imported = true }),
		set("d-signed", func(c *backups.Copy) { c.Imported, c.Signature = true, signed() }),
		append(set("d-half", func(c *backups.Copy) { c.Imported, c.Signature = true, signed() }), backups.Copy{Set: "SET-d-half", Imported: true, State: backups.Whole}),
		set("d-sealed", func(c *backups.Copy) {
			c.Files[1].Encrypted = &backups.Encrypted{Recipients: []string{"somebody"}}
		}),
		set("other", nil), set("d-elsewhere", func(c *backups.Copy) { c.Device = "gw2" }),
	})
	if diff := cmp.Diff([]string{"d-signed", "d-running"}, domains(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[drill.Left]int{drill.LeftDefault: 1, drill.LeftEncrypted: 2, drill.LeftDomains: 2, drill.LeftForeign: 3}, got.Left); diff != "" {
		t.Error(diff)
	}
	if f := drill.Archive(set("d", nil)[0]); f == nil || f.File != "p.zip" {
		t.Errorf("%+v is imported, not what was saved", f)
	}
}

func TestDomainsOfDrillsAreTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, run := range []string{"01JDQK7Q0ZB2M3N4P5Q6R7S8T9", "01JDQK7Q0ZB2M3N4P5Q6R7S8TA"} {
		for n := range 60 {
			name := drill.Domain(run, n)
			if seen[name] || len(name) > 128 || !strings.HasPrefix(name, drill.DomainPrefix) || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Errorf("%s", name)
			}
			seen[name] = true
		}
	}
}
