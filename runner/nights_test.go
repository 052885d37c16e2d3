package runner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/testfixtures/need"
)

// A night lasts from noon to noon, even if the clocks change in it.
func TestANightIsFromNoonToNoon(t *testing.T) {
	t.Parallel()
	berlin := need.Value(time.LoadLocation("Europe/Berlin"))(t)
	for at, want := range map[string]string{
		"2026-11-28T11:59:59+01:00": "2026-11-27T12:00:00+01:00",
		"2026-11-28T12:00:00+01:00": "2026-11-28T12:00:00+01:00",
		"2026-03-29T03:30:00+02:00": "2026-03-28T12:00:00+01:00", // spring
		"2026-10-25T02:30:00+01:00": "2026-10-24T12:00:00+02:00", // autumn
	} {
		if got := nightOf(need.Value(time.Parse(time.RFC3339, at))(t), berlin).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

func TestNightsTellWhatEachCameTo(t *testing.T) {
	t.Parallel()
	r := at3(opened(t, 1)[0])
	r.now = r.Clock.Now
	j := r.kept.Load().journal
	const failed = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR"
	for _, p := range []past{
		{plan: "a", id: "A4", at: night(4), ended: map[string]string{"x": "SUCCESS"}},
		{plan: "a", id: "A3", at: night(3), ended: map[string]string{"x": failed}},
		{plan: "a", id: "A2", at: night(2), ended: map[string]string{"x": "SUCCESS", "y": failed, "apic": "SKIPPED_APIC_DOMAIN"}},
		{plan: "a", id: "A1", at: night(1), ended: map[string]string{"x": "SUCCESS", "apic": "SKIPPED_APIC_DOMAIN"}},
		{plan: "a", id: "A0", at: night(0), ended: map[string]string{"x": "SUCCESS"}, open: true},
		{plan: "b", id: "B1", at: night(1), ended: map[string]string{"x": "SUCCESS"}},
	} {
		p.enter(t, j)
	}
	for _, f := range []journal.Firing{{Due: night(0), Verdict: "missed"}, {Due: night(2), Verdict: "outside"}, {Due: night(3), Verdict: "run", Ended: night(3), ExitCode: 10}} {
		f.Scheduled, f.Decided = journal.Scheduled{Plan: "b", Origin: "/plans/b.hcl"}, f.Due
		need.Value(j.EnterFiring(t.Context(), f))(t)
		if !f.Ended.IsZero() {
			need.Done(t, j.EndFiring(t.Context(), f))
		}
	}
	n := need.Value(r.Nights(t.Context(), NightsRequest{Nights: 4, Zone: time.UTC}))(t)
	var got []string
	for _, p := range n.Plans {
		for i, c := range p.Cells {
			got = append(got, fmt.Sprintf("%s %s %s %v %d/%d/%d/%d", p.Plan, n.Nights[i].Format("02"), c.State, c.Runs, c.Tasks, c.Good, c.Failed, c.Missed))
		}
	}
	want := []string{"a 27 running [A0] 1/1/0/0", "a 26 good [A1] 2/1/0/0", "a 25 partly [A2] 3/1/1/0", "a 24 failed [A3] 1/0/1/0",
		"b 27 missed [] 0/0/0/1", "b 26 good [B1] 1/1/0/0", "b 25 nothing [] 0/0/0/0", "b 24 missed [] 0/0/0/1"}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if one := need.Value(r.Nights(t.Context(), NightsRequest{Plan: "b", Zone: time.UTC}))(t); len(one.Plans) != 1 || len(one.Nights) != 1 {
		t.Errorf("of one plan and one night: %+v", one)
	}
}

// The results for a device continue from a cursor, even across runs without
// results for it.
func TestOutcomesOfADeviceGoOnFromACursor(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	j := r.kept.Load().journal
	const failed = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR"
	past{plan: "a", id: "OLD", at: night(300), ended: map[string]string{"x": "SUCCESS"}}.enter(t, j)
	for i := range runsAtOnce {
		past{plan: "b", id: fmt.Sprintf("B%03d", i), at: night(200).Add(time.Duration(i) * time.Minute)}.enter(t, j)
	}
	past{plan: "a", id: "A2", at: night(2), ended: map[string]string{"x": "SUCCESS", "y": "SUCCESS"}}.enter(t, j)
	past{plan: "a", id: "A1", at: night(1), ended: map[string]string{"x": failed, "y": "SUCCESS"}}.enter(t, j)
	past{plan: "a", id: "A0", at: night(0), ended: map[string]string{"x": failed}, open: true}.enter(t, j)
	for c, err := range j.Copies(t.Context(), journal.CopyFilter{Run: "A2", Domain: "x"}) {
		need.Done(t, err)
		need.Done(t, j.MarkCopies(t.Context(), journal.CopyMark{Set: c.Set, Root: c.Root, State: backups.Altered, At: three}))
	}
	var got []string
	q := OutcomesRequest{Device: "gw", Domain: "x", Limit: 1}
	for pages := 1; ; pages++ {
		page := need.Value(r.Outcomes(t.Context(), q))(t)
		for _, o := range page.Items {
			got = append(got, fmt.Sprintf("%s good=%t set=%t %s %s", o.Run, o.Good, o.Set != "", o.SetState, o.Message))
		}
		if q.After = page.Next; q.After == "" || pages > 9 {
			break
		}
	}
	want := []string{"A0 good=false set=false  " + failed + " of x", "A1 good=false set=false  " + failed + " of x", "A2 good=true set=true altered SUCCESS of x", "OLD good=true set=true whole SUCCESS of x"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if all := need.Value(r.Outcomes(t.Context(), OutcomesRequest{Device: "gw"}))(t); len(all.Items) != 5 || all.Next == "" {
		t.Errorf("of all domains: %d, next %q", len(all.Items), all.Next)
	}
}

// A target counts as out of service from its quiesce until it was seen back. That
// holds even if it came back after the run's end, or if nobody knows whether the
// quiesce was sent.
func TestATimelineTellsWhatIsOutOfService(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return three.Add(time.Duration(minutes) * time.Minute) }
	owe := func(task, device, domain string, since, paid time.Time) journal.Obligation {
		return journal.Obligation{Obligation: pending.Obligation{Key: pending.Key{Run: "R", Task: task, ID: "unquiesce"}, Kind: pending.Unquiesce, Device: device, Domain: domain, Since: since}, PaidAt: paid}
	}
	script := owe("s", "gw", "", at(0), time.Time{})
	script.Kind = pending.PostScript
	got := outOfService([]journal.Obligation{
		owe("back", "gw2", "d", at(0), at(9)), owe("still", "gw1", "d", at(1), time.Time{}), owe("unused", "gw1", "e", at(1), at(2)), owe("unsure", "gw1", "", at(3), time.Time{}), script,
	}, map[string]time.Time{"back": at(1), "still": at(2), "s": at(1)})
	var lines []string
	for _, o := range got {
		lines = append(lines, fmt.Sprintf("%s/%s %d %t %s", o.Device, o.Domain, int(o.Begin.Sub(three).Minutes()), o.End.IsZero(), o.Task))
	}
	if d := cmp.Diff([]string{"gw1/ 3 true unsure", "gw1/d 2 true still", "gw2/d 1 false back"}, lines); d != "" {
		t.Error(d)
	}
}

func TestATimelineHasTheStepsOfEachTask(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	j := r.kept.Load().journal
	need.Done(t, j.CreateRun(t.Context(), journal.Run{ID: "R1", Plan: "a", Started: three, Spec: []byte("{}")}))
	var b journal.Batch
	for _, d := range []string{"x", "y", "z"} {
		for i, code := range []string{"EXECUTION_STARTED", "EXECUTION_QUIESCE_STARTED", "SUCCESS"} {
			b.Statuses = append(b.Statuses, event.Status{V: 1, Run: "R1", Task: "e/gw/" + d, Seq: i + 1, Activity: "e", Device: "gw", Domain: d, Code: code, Time: three.Add(time.Duration(i) * time.Minute), Final: i == 2})
		}
	}
	b.Owe = []pending.Obligation{{Key: pending.Key{Run: "R1", Task: "e/gw/x", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "gw", Domain: "x", Since: three}}
	need.Done(t, j.Append(t.Context(), "R1", b))
	need.Done(t, j.FinishRun(t.Context(), "R1", journal.End{Time: three.Add(time.Hour), ExitCode: 0}))
	first := need.Value(r.Timeline(t.Context(), TimelineRequest{Run: "R1", Limit: 2}))(t)
	rest := need.Value(r.Timeline(t.Context(), TimelineRequest{Run: "R1", Limit: 2, After: first.Next}))(t)
	if len(first.Tasks) != 2 || len(rest.Tasks) != 1 || rest.Tasks[0].Domain != "z" || rest.Next != "" || len(rest.Out) != 1 || len(first.Out) != 1 {
		t.Fatalf("first %+v\nrest %+v", first, rest)
	}
	s := first.Tasks[0].Steps
	if len(s) != 3 || s[1].Doing != "quiescing" || !s[1].Begin.Equal(three.Add(time.Minute)) || !s[1].End.Equal(three.Add(2*time.Minute)) || !s[2].End.IsZero() {
		t.Errorf("%+v", s)
	}
	if o := first.Out[0]; !o.Begin.Equal(three.Add(time.Minute)) || !o.End.IsZero() {
		t.Errorf("%+v", o)
	}
	but := func(hidden string) func(plan, device string) bool {
		return func(plan, device string) bool { return plan == "a" && device != hidden }
	}
	if all := need.Value(r.Timeline(t.Context(), TimelineRequest{Run: "R1", Sees: but("other")}))(t); len(all.Tasks) != 3 || len(all.Out) != 1 {
		t.Errorf("with nothing hidden: %+v", all)
	}
	if none := need.Value(r.Timeline(t.Context(), TimelineRequest{Run: "R1", Limit: 1, Sees: but("gw")}))(t); len(none.Tasks) != 0 || len(none.Out) != 0 || none.Next != "" {
		t.Errorf("of a device that is hidden: %+v", none)
	}
	if _, err := r.Timeline(t.Context(), TimelineRequest{Run: "R1", After: first.Next, Sees: but("gw")}); err == nil {
		t.Error("a cursor that is hidden goes on")
	}
	if _, err := r.Timeline(t.Context(), TimelineRequest{Run: "R1", After: "nothing"}); err == nil {
		t.Error("a cursor that is not known goes on")
	}
}
