package runner

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func levels(findings []sdk.Finding) (out []sdk.Level) {
	for _, f := range findings {
		out = append(out, f.Level)
	}
	return out
}

func TestAWindowIsLongEnoughForATaskThatQuiesces(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	night := func(from, to string) *window.Window {
		return &window.Window{Name: "night", Allow: []window.Allow{{From: from, To: to}}}
	}
	for _, c := range []struct {
		name    string
		window  *window.Window
		quiesce lifecycle.QuiesceMode
		want    []sdk.Level
	}{
		{"no window", nil, lifecycle.QuiesceDevice, []sdk.Level{sdk.LevelOK}},
		{"long", night("22:00", "05:00"), lifecycle.QuiesceDevice, []sdk.Level{sdk.LevelOK}},
		{"as long as it takes", night("22:00", "22:08"), lifecycle.QuiesceDomain, []sdk.Level{sdk.LevelOK, sdk.LevelError}},
		{"a minute longer", night("22:00", "22:09"), lifecycle.QuiesceDomain, []sdk.Level{sdk.LevelOK}},
		{"short, and nothing is quiesced", night("22:00", "22:08"), lifecycle.QuiesceNone, []sdk.Level{sdk.LevelOK}},
		{"open, and soon over", night("11:00", "12:07"), lifecycle.QuiesceDevice, []sdk.Level{sdk.LevelOK, sdk.LevelError}},
		{"it never opens", &window.Window{Name: "night", Allow: []window.Allow{{Days: []string{}}}}, lifecycle.QuiesceNone, []sdk.Level{sdk.LevelError}},
	} {
		s := lifecycle.RunSpec{Window: c.window, Timeouts: lifecycle.Timeouts{Quiesce: 3 * time.Minute, Unquiesce: 3 * time.Minute, Grace: time.Minute},
			Activities: []lifecycle.Activity{{Quiesce: c.quiesce}}}
		if diff := cmp.Diff(c.want, levels(windowFindings(s, noon))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheExitCodeOfACheckSaysHowFarARunWouldCome(t *testing.T) {
	t.Parallel()
	type found = map[report.CheckKind][]sdk.Level
	for _, c := range []struct {
		found found
		want  int
	}{
		{found{report.CheckPlan: {sdk.LevelOK}, report.CheckDestination: {sdk.LevelOK}, report.CheckDevice: {sdk.LevelWarning, sdk.LevelNotProven}}, 0},
		{found{report.CheckDevice: {sdk.LevelError, sdk.LevelOK}}, 3},
		{found{report.CheckDevice: {sdk.LevelError, sdk.LevelError}}, 1},
		{found{report.CheckScript: {sdk.LevelError}, report.CheckDevice: {sdk.LevelOK}}, 3},
		{found{report.CheckDestination: {sdk.LevelError, sdk.LevelOK}, report.CheckDevice: {sdk.LevelOK}}, 3},
		{found{report.CheckDestination: {sdk.LevelError, sdk.LevelError}, report.CheckDevice: {sdk.LevelOK}}, 15},
		{found{report.CheckPlan: {sdk.LevelError}, report.CheckDevice: {sdk.LevelError}}, 15},
		{found{report.CheckDevice: {"a level of tomorrow"}}, 1},
	} {
		x := &checking{}
		for kind, all := range c.found {
			for _, l := range all {
				x.subjects = append(x.subjects, report.CheckSubject{Kind: kind, Findings: []sdk.Finding{{Level: sdk.LevelOK}, {Level: l}}})
			}
		}
		if got := x.report(&plan.Plan{}).ExitCode; got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.found, got, c.want)
		}
	}
}

func TestAnInventoryIsComparedWhereItWasLookedAt(t *testing.T) {
	t.Parallel()
	type counts = map[string]map[string]int
	inventory := counts{"app01": {"A": 2, "B": 1}, "app02": {"A": 9}}
	for _, c := range []struct {
		name            string
		expected, shown counts
		want            []sdk.Level
	}{
		{"all of it", inventory, counts{"app01": {"A": 2, "B": 1}}, []sdk.Level{sdk.LevelOK}},
		{"more", inventory, counts{"app01": {"A": 3, "B": 1, "C": 1}}, []sdk.Level{sdk.LevelOK}},
		{"fewer of one class, none of another", inventory, counts{"app01": {"A": 1}}, []sdk.Level{sdk.LevelError, sdk.LevelError}},
		{"a domain that is new", inventory, counts{"app03": {"A": 1}}, []sdk.Level{sdk.LevelNotProven}},
		{"a device that is new", nil, counts{"app01": {"A": 1}}, []sdk.Level{sdk.LevelNotProven}},
	} {
		if diff := cmp.Diff(c.want, levels(inventoryFindings(c.expected, c.shown))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheRoomOfADeviceIsComparedWithItsLastBackup(t *testing.T) {
	t.Parallel()
	for free, want := range map[int64]sdk.Level{150: sdk.LevelOK, 149: sdk.LevelError, -1: sdk.LevelWarning} {
		for _, f := range factFindings(&sdk.Inspection{Facts: sdk.Facts{Space: sdk.Space{FreeTemporary: free}}}, 100) {
			if f.Check == "space" && f.Level != want {
				t.Errorf("%d free: %s, want %s", free, f.Level, want)
			}
		}
	}
}

func TestWhyADeviceCannotBeAskedHasAWordOfItsOwn(t *testing.T) {
	t.Parallel()
	for reason, want := range map[failure.Reason]string{failure.BadCredentials: "login", failure.BadCertificate: "tls.trust", failure.NotPermitted: "permission", "": "connect", failure.BadReply: "connect"} {
		f := inspectFinding("gw-1", failure.New(failure.Denied, reason, "device gw-1: 192.0.2.1:5550: no").WithRemedy("ask"))
		if f.Check != want || f.Level != sdk.LevelError || f.Message != "192.0.2.1:5550: no" || f.Remedy != "ask" {
			t.Errorf("%q: %+v", reason, f)
		}
	}
}

func TestAPeerServesWhatItSaysIsInService(t *testing.T) {
	t.Parallel()
	in := &sdk.Inspection{Domains: []sdk.Domain{{Name: "default", QuiesceState: sdk.StateUnknown}, {Name: "app01", QuiesceState: sdk.StateNormal}, {Name: "app02", QuiesceState: sdk.StateQuiesced}}}
	normal := &sdk.Inspection{Domains: in.Domains[:2]}
	for _, c := range []struct {
		in     *sdk.Inspection
		domain string
		mode   lifecycle.QuiesceMode
		serves bool
	}{
		{in, "app01", lifecycle.QuiesceDomain, true},
		{in, "app02", lifecycle.QuiesceDomain, false},
		{in, "app03", lifecycle.QuiesceDomain, false},
		{in, "", lifecycle.QuiesceDevice, false},
		{normal, "", lifecycle.QuiesceDevice, true},
		{&sdk.Inspection{}, "", lifecycle.QuiesceDevice, false},
	} {
		if why := notServing(c.in, lifecycle.TaskSpec{Domain: c.domain, Activity: lifecycle.Activity{Quiesce: c.mode}}); (why == "") != c.serves {
			t.Errorf("%q, %s: %q", c.domain, c.mode, why)
		}
	}
}

func TestWhatWasFoundIsWeighedAsTheGuardDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		guard lifecycle.Guard
		want  []sdk.Level
	}{
		{lifecycle.Guard{RefuseActive: true, RefuseAPIConnect: true}, []sdk.Level{sdk.LevelError, sdk.LevelError, sdk.LevelOK, sdk.LevelError}},
		{lifecycle.Guard{}, []sdk.Level{sdk.LevelWarning, sdk.LevelWarning, sdk.LevelOK, sdk.LevelError}},
	} {
		found := []sdk.Finding{{Check: "role", Level: sdk.LevelError}, {Check: "apic", Level: sdk.LevelWarning}, {Check: "role", Level: sdk.LevelOK}, {Check: "permission", Level: sdk.LevelError}}
		if diff := cmp.Diff(c.want, levels(weighed(found, c.guard))); diff != "" {
			t.Error(diff)
		}
	}
}
