package drill_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/drill"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func TestAGatewayIsRefusedUnlessEverythingSaysThatItIsForDrills(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*drill.Gateway)
		want   string // empty: it is taken
	}{
		"as it should be":      {func(*drill.Gateway) {}, ""},
		"another box":          {func(g *drill.Gateway) { g.Box.Facts.Identity = "2/lab" }, `says that it is "2/lab"`},
		"a box without a name": {func(g *drill.Gateway) { g.Box.Facts.Identity = "" }, `pins the identity "1/lab"`},
		"a plan without a pin": {func(g *drill.Gateway) { g.Identity, g.Box.Facts.Identity = "", "" }, "pins the identity"},
		"no marker":            {func(g *drill.Gateway) { g.Box.Facts.DrillGateway = false }, "does not hold the object"},
		"a marker that is hid": {func(g *drill.Gateway) {
			g.Box.Unread = []sdk.Unread{{Fact: sdk.FactDrill, Failure: failure.New(failure.Denied, "", "no right")}}
		}, "could not be read"},
		"a box that is backed up": {func(g *drill.Gateway) { g.Used = []string{"device gw1 of plan nightly"} }, "device gw1 of plan nightly"},
		"something else unread": {func(g *drill.Gateway) {
			g.Box.Unread = []sdk.Unread{{Fact: sdk.FactSpace, Failure: failure.New(failure.Denied, "", "no right")}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := drill.Gateway{Device: "lab", Identity: "1/lab", Box: &sdk.Inspection{Facts: sdk.Facts{Identity: "1/lab", DrillGateway: true}}}
			c.change(&g)
			err := g.Refuse()
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || failure.From(err).Remedy == "") {
				t.Errorf("%v, want %q and what to do", err, c.want)
			}
		})
	}
}

func TestOnlyAWholeImportProvesASet(t *testing.T) {
	t.Parallel()
	equal := &sdk.Resemblance{Equal: true}
	report := func(change func(*sdk.ImportReport)) *sdk.ImportReport {
		r := &sdk.ImportReport{Objects: 4, Excused: 2, Findings: []sdk.Finding{{Level: sdk.LevelWarning, Check: "absent", Message: "a key"}}}
		if change != nil {
			change(r)
		}
		return r
	}
	fault := func(check string) *sdk.ImportReport {
		return report(func(r *sdk.ImportReport) {
			r.Findings = append(r.Findings, sdk.Finding{Level: sdk.LevelError, Check: check, Subject: "HTTPService a", Message: "it did not work"})
		})
	}
	no := errors.New("no")
	for name, c := range map[string]struct {
		course  drill.Course
		want    backups.Verdict
		why     string
		running bool
	}{
		"all well":                {drill.Course{Report: report(nil), Seen: equal}, backups.Proven, "", false},
		"not fetched":             {drill.Course{Fetch: no, Report: report(nil), Seen: equal}, backups.Undecided, "no", false},
		"fetched, and no archive": {drill.Course{Fetch: fmt.Errorf("fetch: %w", failure.New(failure.Corrupt, failure.BadArchive, "cut"))}, backups.Failed, "cut", false},
		"no domain":               {drill.Course{Create: no, Report: report(nil), Seen: equal}, backups.Undecided, "no", false},
		"no result":               {drill.Course{Seen: equal}, backups.Undecided, "no result", false},
		"lost":                    {drill.Course{Import: failure.New(failure.Timeout, "", "late"), Seen: equal}, backups.Undecided, "late", false},
		"not allowed":             {drill.Course{Import: failure.New(failure.Denied, failure.NotPermitted, "no right")}, backups.Undecided, "no right", false},
		"busy":                    {drill.Course{Import: failure.New(failure.Precondition, failure.DeviceError, "busy")}, backups.Undecided, "busy", false},
		"odd answer":              {drill.Course{Import: failure.New(failure.Corrupt, failure.BadReply, "no XML")}, backups.Undecided, "no XML", false},
		"refused by the gateway":  {drill.Course{Import: failure.New(failure.Unavailable, failure.DeviceError, "Import failed.")}, backups.Failed, "Import failed.", false},
		"not whole":               {drill.Course{Import: failure.New(failure.Corrupt, failure.BadArchive, "cut")}, backups.Failed, "cut", false},
		"an object fails":         {drill.Course{Report: fault("object_failed"), Seen: equal}, backups.Failed, "HTTPService a: it did not work", false},
		"something runs":          {drill.Course{Report: fault(drill.RunningCheck)}, backups.Failed, "HTTPService a", true},
		"something is down":       {drill.Course{Report: report(func(r *sdk.ImportReport) { r.Down = []string{"Matching m: bad"} }), Seen: equal}, backups.Failed, "Matching m: bad", false},
		"something else was down": {drill.Course{Was: []backups.Objects{{Domain: "d", Down: []string{"Matching other: bad", "LogTarget m"}}},
			Report: report(func(r *sdk.ImportReport) { r.Down = []string{"Matching m: bad"} }), Seen: equal}, backups.Failed, "Matching m: bad", false},
		"it was down before": {drill.Course{Was: []backups.Objects{{Domain: "d", Down: []string{"Matching m: long since"}}},
			Report: report(func(r *sdk.ImportReport) { r.Excused, r.Down = 1, []string{"Matching m: bad"} }), Seen: equal}, backups.Proven, "", false},
		"it differs":         {drill.Course{Report: report(nil), Seen: &sdk.Resemblance{Differences: []string{"Matching m"}}}, backups.Failed, "Matching m", false},
		"it differs somehow": {drill.Course{Report: report(nil), Seen: &sdk.Resemblance{}}, backups.Failed, "not what the set holds", false},
		"not compared":       {drill.Course{Report: report(nil), Look: no}, backups.Undecided, "no", false},
		"not looked at":      {drill.Course{Report: report(nil)}, backups.Failed, "not what the set holds", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.course.Judge()
			if got.Verdict != c.want || got.Running != c.running || !strings.Contains(strings.Join(got.Why, "\n"), c.why) || (len(got.Why) == 0) != (c.want == backups.Proven) {
				t.Errorf("%+v, want %s because of %q", got, c.want, c.why)
			}
			if c.want == backups.Proven && got.Excused != 2 {
				t.Errorf("%d objects are not judged, want 2", got.Excused)
			}
		})
	}
}
