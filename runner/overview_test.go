package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
	"github.com/dprun/dprun/runner/serve"
	"github.com/dprun/dprun/testfixtures/need"
)

// past is a run in the journal: the codes of its tasks by domain.
type past struct {
	plan  string
	id    string
	at    time.Time
	ended map[string]string // domain of device gw: code; SUCCESS has a copy
	part  bool
	open  bool // the run has not ended
}

func (p past) enter(t *testing.T, j *journal.Journal) {
	t.Helper()
	ctx, origin := t.Context(), "/plans/"+p.plan+".hcl"
	need.Done(t, j.CreateRun(ctx, journal.Run{ID: p.id, Plan: p.plan, Origin: origin, Started: p.at, Partial: p.part, Spec: []byte("{}")}))
	var b journal.Batch
	exit, code := 0, "SUCCESS"
	for domain, ended := range p.ended {
		task := "export/gw/" + domain
		at := p.at.Add(time.Minute)
		b.Statuses = append(b.Statuses, event.Status{V: 1, Run: p.id, Task: task, Seq: 1, Activity: "export", Device: "gw", Domain: domain, Code: ended, Message: ended + " of " + domain, Time: at, Final: true})
		if ended != "SUCCESS" {
			if !slices.Contains(neutralCodes(), ended) {
				exit, code = 3, "PLAN_PARTLY_FAILED"
			}
			continue
		}
		stamp := at.Format("2006-01-02-15-04-05") + "-000"
		c := backups.Copy{Set: need.Value(backups.ID(p.id, task, stamp))(t), Root: "/b", Destination: "file.b", Plan: p.plan, Path: domain + stamp, SHA256: "00", Run: p.id, Task: task,
			Device: "gw", Domain: domain, Activity: "export", Type: "export_domain", Stamp: stamp, Bytes: 1, State: backups.Whole, Stored: at}
		b.Events = append(b.Events, event.Event{Kind: event.Finished, Task: task, Time: at, Result: &event.Result{Copy: &c}})
		b.Good = append(b.Good, journal.Good{Task: task, Bytes: 1})
	}
	b.Rooms = []journal.Room{{Destination: "file.b", Root: "/b", Free: 50, Total: 100, At: p.at}}
	need.Done(t, j.Append(ctx, p.id, b))
	if !p.open {
		need.Done(t, j.FinishRun(ctx, p.id, journal.End{Time: p.at.Add(10 * time.Minute), ExitCode: exit, Code: code, Neutral: neutralCodes()}))
	}
}

var three = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

// stopped is a clock that never moves.
type stopped struct {
	clock.System
	at time.Time
}

func (s stopped) Now() time.Time { return s.at }

func night(days int) time.Time { return three.Add(-time.Hour).AddDate(0, 0, -days) }

func at3(r *Runner) *Runner {
	r.Clock = stopped{at: three}
	return r
}

// The third question: which subjects have no good set within their goal, and how
// long can they wait.
func TestAnOverviewTellsWhatHasNoGoodBackup(t *testing.T) {
	t.Parallel()
	r := at3(opened(t, 1)[0])
	j := r.kept.Load().journal
	const failed = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR"
	for _, p := range []past{
		{plan: "a", id: "A2", at: night(2), ended: map[string]string{"gone": "SUCCESS", "old": "SUCCESS", "lost": "SUCCESS", "fresh": "SUCCESS"}},
		{plan: "a", id: "A1", at: night(1), ended: map[string]string{"old": failed, "new": failed, "lost": "SUCCESS", "fresh": "SUCCESS", "apic": "SKIPPED_APIC_DOMAIN", "gone": "DOMAIN_DOESNT_EXIST_ON_DEVICE"}},
		{plan: "b", id: "B1", at: night(1), ended: map[string]string{"x": "SUCCESS"}},
		{plan: "c", id: "C1", at: night(1), ended: map[string]string{"x": "SUCCESS"}, part: true},
		{plan: "d", id: "D1", at: night(5), ended: map[string]string{"x": "SUCCESS", "*": "SKIPPED_DEVICE_NOT_AVAILABLE"}},
	} {
		p.enter(t, j)
	}
	for c, err := range j.Copies(t.Context(), journal.CopyFilter{Domain: "lost"}) {
		need.Done(t, err)
		need.Done(t, j.MarkCopies(t.Context(), journal.CopyMark{Set: c.Set, Root: c.Root, State: backups.Missing, At: three}))
	}
	o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC})
	var got []string
	for _, p := range o.Coverage.Plans {
		got = append(got, fmt.Sprintf("%s of %d: fresh %d stale %d none %d waits %s %s", p.Plan, p.Expected, p.Fresh, p.Stale, p.None, p.Waits, p.Unknown))
	}
	for _, s := range o.Coverage.Worst {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", s.Plan, cmp.Or(s.Domain, "-"), s.State, s.Waits, s.Code))
	}
	want := []string{
		"a of 4: fresh 1 stale 1 none 2 waits -22h59m0s ",
		"c of 0: fresh 0 stale 0 none 0 waits 0s the journal knows no whole run of the plan",
		"d of 2: fresh 0 stale 1 none 1 waits -94h59m0s ",
		"b of 1: fresh 1 stale 0 none 0 waits 1h1m0s ",
		"a lost none 0s ", "a new none 0s " + failed, "d * none 0s SKIPPED_DEVICE_NOT_AVAILABLE", "d x stale -94h59m0s ", "a old stale -22h59m0s " + failed,
	}
	slices.Sort(got)
	slices.Sort(want)
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if o.State != report.OverviewNow && o.State != report.OverviewMorning {
		t.Errorf("the state is %s", o.State)
	}
}

// The fourth question: failures by cause. A failure that a later run made up for
// does not count.
func TestAnOverviewGroupsWhatFailedTonight(t *testing.T) {
	t.Parallel()
	r := at3(opened(t, 1)[0])
	j := r.kept.Load().journal
	const failed, skipped = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", "SKIPPED_DEVICE_NOT_AVAILABLE"
	good := map[string]string{"x": "SUCCESS", "y": "SUCCESS", "z": "SUCCESS"}
	for _, p := range []past{
		{plan: "a", id: "A2", at: night(1), ended: good},
		{plan: "a", id: "A1", at: night(0), ended: map[string]string{"x": failed, "y": failed, "z": skipped}},
		{plan: "a", id: "A0", at: night(0).Add(20 * time.Minute), ended: map[string]string{"y": "SUCCESS"}, part: true},
		{plan: "b", id: "B3", at: night(3), ended: map[string]string{"x": failed}},
	} {
		p.enter(t, j)
	}
	need.Value(j.EnterFiring(t.Context(), journal.Firing{Scheduled: journal.Scheduled{Plan: "a", Origin: "/plans/a.hcl"}, Due: night(0).Add(-time.Hour), Decided: night(0), Verdict: "missed", Message: "nobody was there"}))(t)
	o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC})
	var got []string
	for _, c := range o.Failures.Causes {
		got = append(got, fmt.Sprintf("%s %d %d now=%t %s %v %v", c.Code, c.Tasks, c.MadeUp, c.Now, c.Message, c.Plans, c.Devices))
	}
	want := []string{
		" 1 0 now=true nobody was there [a] []",
		failed + " 1 1 now=true " + failed + " of x [a] [gw]",
		skipped + " 1 0 now=true " + skipped + " of z [a] [gw]",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if o.Failures.Unknown != "" || o.State != report.OverviewNow {
		t.Errorf("%q, %s", o.Failures.Unknown, o.State)
	}
}

// A caller who may not know about a plan learns nothing of it, except that
// something is wrong that may be his.
func TestAnOverviewKeepsToWhatSomebodySees(t *testing.T) {
	t.Parallel()
	r := at3(opened(t, 1)[0])
	j := r.kept.Load().journal
	const failed = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR"
	for _, p := range []past{
		{plan: "mine", id: "A1", at: night(0), ended: map[string]string{"x": "SUCCESS"}},
		{plan: "hidden", id: "B1", at: night(0), ended: map[string]string{"x": failed}},
		{plan: "hidden", id: "B0", at: night(0).Add(time.Minute), ended: map[string]string{"x": failed}, open: true},
	} {
		p.enter(t, j)
	}
	need.Value(j.EnterFiring(t.Context(), journal.Firing{Scheduled: journal.Scheduled{Plan: "hidden", Origin: "/plans/hidden.hcl"}, Due: night(0), Decided: night(0), Verdict: "missed"}))(t)
	need.Done(t, r.pending.Put(pending.Obligation{Key: pending.Key{Run: "B0", Task: "t", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "hidden-gw", Plan: "hidden", Since: night(0)}))
	need.Done(t, os.WriteFile(filepath.Join(r.state.Pending(), "hidden-broken.json"), []byte("{"), 0o600))
	need.Done(t, j.AppendLog(t.Context(), event.Log{Run: "A1", Stream: "notify", Text: "the notification for hidden-gw failed", Time: night(0)}))
	o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC, Sees: func(plan, _ string) bool { return plan == "mine" }})
	text := string(need.Value(json.Marshal(o))(t))
	if strings.Contains(text, "hidden") || o.State != report.OverviewUnknown || len(o.Coverage.Plans) != 1 {
		t.Errorf("%s", text)
	}
	died := func(ctx context.Context) (all []report.RecoveredRun, err error) {
		for _, id := range []string{"A1", "B1"} {
			run := need.Value(r.recovered(ctx, id))(t)
			run.Out = []report.OutOfService{{Device: "gw"}, {Device: "hidden-gw"}}
			all = append(all, run)
		}
		return all, nil
	}
	need.Done(t, os.Remove(filepath.Join(r.state.Pending(), "hidden-broken.json")))
	o = r.Overview(t.Context(), OverviewRequest{Zone: time.UTC, Recovered: died, Sees: func(plan, device string) bool { return plan == "mine" && device != "hidden-gw" }})
	text = string(need.Value(json.Marshal(o))(t))
	if strings.Contains(text, "hidden") || len(o.Down.Recovered) != 1 || o.Down.Recovered[0].Run != "A1" || !o.Down.Recovered[0].Final || len(o.Down.Recovered[0].Out) != 1 {
		t.Errorf("%s", text)
	}
	if len(o.Truth.Notices) != 1 || o.Truth.Notices[0].Run != "A1" || o.Truth.Notices[0].Text == "" {
		t.Errorf("a notification that failed: %+v", o.Truth.Notices)
	}
	if all := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC, Recovered: died}); len(all.Down.Recovered) != 2 || all.Down.Recovered[0].Run != "B1" {
		t.Errorf("who sees all, of what had died: %+v", all.Down.Recovered)
	}
	lost := func(context.Context) ([]report.RecoveredRun, error) { return nil, errors.New("it cannot be read") }
	if u := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC, Recovered: lost}); u.Down.Unknown != "it cannot be read" {
		t.Errorf("what had died cannot be read: %+v", u.Down)
	}
	if all := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC}); all.State != report.OverviewIsDown || len(all.Work.Runs) != 1 || all.Down.Owed[0].BringsBack == "" {
		t.Errorf("who sees all: %+v", all)
	}
}

// Something that cannot be read is unknown, and never good.
func TestAnOverviewOfWhatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		spoil func(t *testing.T, r *Runner)
		all   bool // every part of the overview
	}{
		"a pending file that is garbled": {spoil: func(t *testing.T, r *Runner) {
			need.Done(t, os.WriteFile(filepath.Join(r.state.Pending(), "x.json"), []byte("{"), 0o600))
		}},
		"a pending file that is empty": {spoil: func(t *testing.T, r *Runner) {
			need.Done(t, os.WriteFile(filepath.Join(r.state.Pending(), "x.json"), nil, 0o600))
		}},
		"a pending directory that is none": {spoil: func(t *testing.T, r *Runner) {
			need.Done(t, os.RemoveAll(r.state.Pending()))
			need.Done(t, os.WriteFile(r.state.Pending(), nil, 0o600))
		}},
		"a journal that is closed": {spoil: func(t *testing.T, r *Runner) { need.Done(t, r.kept.Load().journal.Close()) }, all: true},
		"a journal that was lost": {spoil: func(t *testing.T, r *Runner) {
			k := r.kept.Load()
			need.Done(t, k.journal.Close())
			r.kept.Store(&kept{lost: errorf(ExitOwed, "it was lost")})
		}, all: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := at3(opened(t, 1)[0])
			past{plan: "a", id: "A1", at: night(0), ended: map[string]string{"x": "SUCCESS"}}.enter(t, r.kept.Load().journal)
			if o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC}); o.State != report.OverviewGood {
				t.Fatalf("before it is %s: %+v", o.State, o)
			}
			c.spoil(t, r)
			o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC})
			if o.State != report.OverviewUnknown || o.Down.Unknown == "" {
				t.Errorf("it is %s, and of what is down it says %q", o.State, o.Down.Unknown)
			}
			if c.all {
				for part, why := range map[string]string{"work": o.Work.Unknown, "coverage": o.Coverage.Unknown, "failures": o.Failures.Unknown, "truth": o.Truth.Unknown} {
					if why == "" {
						t.Errorf("%s is not unknown", part)
					}
				}
			}
		})
	}
}

// A server that has just begun knows no plan yet.
func TestNothingIsGoodBeforeThePlansAreRead(t *testing.T) {
	t.Parallel()
	r := at3(opened(t, 1)[0])
	s := &Service{r: r, plans: &served{}, server: &serve.Server{Journal: r.kept.Load().journal}}
	if o := s.OverviewFor(t.Context(), nil); o.State != report.OverviewUnknown || !strings.Contains(o.Coverage.Unknown, "not been read yet") {
		t.Errorf("before: %s, %q", o.State, o.Coverage.Unknown)
	}
	_, listed := s.Plans(t.Context())
	_, sourced := s.Source("nightly.hcl")
	_, started := s.Start(t.Context(), StartRequest{Plan: "p"})
	for _, err := range []error{listed, sourced, started} {
		if !errors.Is(err, report.NotReady) {
			t.Errorf("asked what is served before it is known: %v", err)
		}
	}
	s.plans.plans.Store(&map[journal.Scheduled]servedPlan{})
	if o := s.OverviewFor(t.Context(), nil); o.State != report.OverviewGood || o.Coverage.Unknown != "" {
		t.Errorf("after: %s, %q", o.State, o.Coverage.Unknown)
	}
}

// The cases in which a person is woken, and those in which nobody is.
func TestWhoIsWokenForAFailure(t *testing.T) {
	t.Parallel()
	morning := three.Add(5 * time.Hour)
	for what, c := range map[string]struct {
		u    urgent
		now  bool
		says string
	}{
		"out of service":                          {urgent{down: true, passes: morning.Add(time.Hour)}, true, "out of service"},
		"a gateway that is not proven":            {urgent{critical: true, passes: morning.Add(time.Hour)}, true, "not proven"},
		"the window closes before the morning":    {urgent{closes: three.Add(time.Hour), passes: morning.Add(time.Hour)}, true, "closes at 04:00"},
		"the window has no time for a repeat":     {urgent{closes: three.Add(time.Minute), passes: morning.Add(time.Hour)}, false, "recent enough"},
		"the goal passes in the night":            {urgent{passes: three.Add(time.Hour)}, true, "too old at 04:00"},
		"the goal passes in the morning":          {urgent{passes: morning}, true, "too old at 08:00"},
		"the goal passes later":                   {urgent{passes: morning.Add(time.Minute)}, false, "28 November 08:01"},
		"the goal has passed tonight":             {urgent{passes: three.Add(-time.Hour)}, true, "too old at 02:00"},
		"the goal had passed yesterday morning":   {urgent{passes: morning.AddDate(0, 0, -1).Add(-time.Minute)}, false, "too old before the last morning already"},
		"nothing was ever backed up":              {urgent{none: true, passes: morning.Add(time.Hour)}, true, "no good backup"},
		"nothing of it needs a backup":            {urgent{}, false, "nothing"},
		"old, and something else that is missing": {urgent{none: true, passes: morning.AddDate(0, 0, -9)}, true, "no good backup"},
	} {
		c.u.now, c.u.morning = three, morning
		if now, why := c.u.decide(); now != c.now || !strings.Contains(why, c.says) {
			t.Errorf("%s: now %t, %q", what, now, why)
		}
	}
}

func TestTheGoalOfAPlanFollowsItsSchedules(t *testing.T) {
	t.Parallel()
	of := func(crons ...string) (s schedule.Plan) {
		for _, c := range crons {
			s.Rules = append(s.Rules, schedule.Rule{Times: need.Value(cron.Parse(c, "UTC"))(t)})
		}
		return s
	}
	workdays := of("0 2 * * *")
	w := need.Value(window.Window{Timezone: "UTC", Allow: []window.Allow{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "01:00", To: "05:00"}}}.Compile())(t)
	workdays.Window = w
	for what, c := range map[string]struct {
		plan schedule.Plan
		want time.Duration
	}{
		"nobody starts it": {schedule.Plan{}, 26 * time.Hour},
		"each night":       {of("0 2 * * *"), 26 * time.Hour},
		"each hour":        {of("0 * * * *"), 26 * time.Hour},
		"each week":        {of("0 2 * * 0"), 7*24*time.Hour + 2*time.Hour},
		"on workdays":      {of("0 2 * * 1-5"), 74 * time.Hour},
		"its window":       {workdays, 74 * time.Hour},
	} {
		if got := goalOf(c.plan, three); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

// The overview says who asked for a pause, and a night with a pause is not simply
// good.
func TestAnOverviewTellsThatNothingNewIsStarted(t *testing.T) {
	t.Parallel()
	r := at3(opened(t, 1)[0])
	j := r.kept.Load().journal
	past{plan: "a", id: "A1", at: night(0), ended: map[string]string{"x": "SUCCESS"}}.enter(t, j)
	need.Done(t, j.BeginPause(t.Context(), journal.Asked{At: night(0), By: "anna", Reason: "a freeze"}))
	if o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC}); o.State != report.OverviewMorning || o.Work.Paused == nil || o.Work.Paused.By != "anna" || !o.Work.Paused.Since.Equal(night(0)) {
		t.Errorf("during a pause: %s, %+v", o.State, o.Work.Paused)
	}
	need.Done(t, j.EndPause(t.Context(), journal.Asked{At: three, By: "otto", Reason: "over"}))
	if o := r.Overview(t.Context(), OverviewRequest{Zone: time.UTC}); o.State != report.OverviewGood || o.Work.Paused != nil {
		t.Errorf("afterwards: %s, %+v", o.State, o.Work.Paused)
	}
}
