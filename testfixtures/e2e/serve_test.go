package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// firings opens a journal, and gives what a server has decided, the newest first.
func firings(t *testing.T, state string) []journal.Firing {
	t.Helper()
	j := need.Value(journal.Open(filepath.Join(state, "journal.db")))(t)
	defer func() { need.Done(t, j.Close()) }()
	return need.Value(j.Firings(t.Context(), false, 100))(t)
}

// shifted is the machine's clock, set forward by hand.
type shifted struct{ by atomic.Int64 }

func (c *shifted) jump(d time.Duration) { c.by.Add(int64(d)) }
func (c *shifted) Now() time.Time       { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *shifted) Waiter() clock.Waiter { return &shiftedWaiter{clock.System{}.Waiter(), c} }

type shiftedWaiter struct {
	clock.Waiter
	clock *shifted
}

func (w *shiftedWaiter) Wait(t time.Time, underWay int) <-chan time.Time {
	if !t.IsZero() {
		t = t.Add(-time.Duration(w.clock.by.Load()))
	}
	return w.Waiter.Wait(t, underWay)
}

func serverOf(t *testing.T, state string) *journal.Server {
	t.Helper()
	j := need.Value(journal.Open(filepath.Join(state, "journal.db")))(t)
	defer func() { need.Done(t, j.Close()) }()
	return need.Value(j.Server(t.Context()))(t)
}

// TestAServerRunsPlansWhenTheyAreDue, by the use case of apply and with its
// plugins: a domain is captured and stored. A file that has become wrong is served
// as it was.
func TestAServerRunsPlansWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	s := startSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1, Timings: &dpsim.Timings{Quiesce: "200ms", Unquiesce: "200ms"}}}})
	moved := &shifted{}
	moved.jump(time.Until(night))
	plans := filepath.Join(s.dir, "plans")
	need.Done(t, os.Mkdir(plans, 0o700))
	for _, name := range []string{"fleet.json", "gw.pw"} {
		need.Done(t, os.Link(filepath.Join(s.dir, name), filepath.Join(plans, name)))
	}
	text := strings.Replace(devices, `"backups"`, fmt.Sprintf("%q", filepath.Join(s.dir, "backups")), 1) +
		strings.Replace(strings.Replace(quiescing, `quiesce = "domain"`, "", 1), "  activity", "  schedule {\n    cron = \"2,10 22 * * *\"\n  }\n  activity", 1)
	s.write("plans/nightly.hcl", text)
	state := filepath.Join(s.dir, "state")
	signals, reload := make(chan string, 1), make(chan struct{})
	r := s.open(moved)
	done := make(chan error, 1)
	go func() {
		done <- r.Serve(t.Context(), runner.ServeRequest{Plans: plans, Signals: signals, Reload: reload})
	}()
	until := func(what string, holds func(all []journal.Firing, server *journal.Server) bool) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
			server, all := serverOf(t, state), firings(t, state)
			if server != nil && holds(all, server) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("waited in vain: %s: %+v %+v", what, server, all)
			}
			select {
			case reload <- struct{}{}: // it looks at once
			default:
			}
		}
	}
	ended := func(n int) func([]journal.Firing, *journal.Server) bool {
		return func(all []journal.Firing, _ *journal.Server) bool { return len(all) == n && !all[0].Ended.IsZero() }
	}
	until("it is there", func([]journal.Firing, *journal.Server) bool { return true })
	time.Sleep(100 * time.Millisecond)
	moved.jump(2 * time.Minute)
	until("the first run", ended(1))
	s.write("plans/nightly.hcl", text+"\nplan {")
	s.write("plans/other.hcl", "nothing")
	until("the broken files", func(_ []journal.Firing, s *journal.Server) bool { return len(s.Broken) == 2 })
	moved.jump(8 * time.Minute)
	until("the second run", ended(2))
	signals <- "SIGTERM"
	need.Done(t, <-done)
	need.Done(t, r.Close())
	askedOfAServer(t, s.open(moved), plans)
	for i, f := range firings(t, state) {
		due := night.Add([]time.Duration{10 * time.Minute, 2 * time.Minute}[i])
		if f.Verdict != "run" || !f.Due.Equal(due) || f.ExitCode != 0 || f.Run == "" || f.Decided.Sub(due) > 2*time.Minute || f.Origin != filepath.Join(plans, "nightly.hcl") {
			t.Errorf("%+v", f)
		}
	}
	server := serverOf(t, state)
	if len(server.Broken) != 2 || !server.Broken[0].LastGood || server.Broken[1].LastGood || server.Stopped.IsZero() {
		t.Errorf("the server says %+v", server)
	}
	stored := slices.DeleteFunc(files(t, filepath.Join(s.dir, "backups")), func(name string) bool { return filepath.Ext(name) != ".zip" })
	if len(stored) != 3 {
		t.Errorf("stored: %v", stored)
	}
}

// askedOfAServer asks a server that was started anew for a run of a plan whose
// file has become wrong: of the last good one. The run is the same as one that is
// due, and whoever follows it misses nothing.
func askedOfAServer(t *testing.T, r *runner.Runner, plans string) {
	t.Helper()
	signals, up, done := make(chan string, 1), make(chan *runner.Service, 1), make(chan error, 1)
	go func() {
		done <- r.Serve(t.Context(), runner.ServeRequest{Plans: plans, Signals: signals,
			Web: func(s *runner.Service) (func(), error) { up <- s; return func() {}, nil }})
	}()
	s := <-up
	q := runner.StartRequest{Plan: "p", By: "anna", Reason: "a test", Change: "CHG1", Key: "k", Digest: "d"}
	var started report.Started
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if started, err = s.Start(t.Context(), q); err == nil {
			break
		}
		if time.Now().After(end) || !errors.Is(err, report.NotReady) && !errors.Is(err, report.NotServed) {
			t.Fatalf("asked for a run: %v", err)
		}
	}
	if again, err := s.Start(t.Context(), q); err != nil || again.Run != started.Run {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	statuses := 0
	for e, err := range s.Events(t.Context(), runner.EventsRequest{After: 0, Run: started.Run}) {
		need.Done(t, err)
		if e.Status != nil {
			statuses++
		}
		if e.End != nil && e.End.ExitCode != 0 {
			t.Errorf("it ended with %+v", e.End)
		}
		if e.End != nil {
			break
		}
	}
	run := need.Value(s.Reads().Run(t.Context(), started.Run))(t)
	for task, err := range run.Details {
		need.Done(t, err)
		statuses -= len(task.History)
	}
	if statuses -= len(run.History); statuses != 0 || run.Asked == nil || run.Asked.By != "anna" {
		t.Errorf("%d statuses more than the run has; asked for by %+v", statuses, run.Asked)
	}
	for _, p := range need.Value(s.Plans(t.Context()))(t) {
		if p.Plan == "p" && (p.Broken == nil || !p.Broken.LastGood || p.LastRun == nil || p.LastRun.ID != started.Run) {
			t.Errorf("the plan is told as %+v", p)
		}
	}
	signals <- "SIGTERM"
	need.Done(t, <-done)
	need.Done(t, r.Close())
}

// served is a server of a program whose plan is due now.
type served struct {
	*running
	told *net.UnixConn
	due  time.Time
}

func (p *program) serve(t *testing.T, due time.Time) *served {
	t.Helper()
	socket := filepath.Join(p.dir, "notify")
	_ = os.Remove(socket)
	told := need.Value(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}))(t)
	t.Cleanup(func() { _ = told.Close() })
	p.env = []string{"NOTIFY_SOCKET=" + socket}
	return &served{p.start("serve", "--plans", "plans", "--config", "serve.hcl", "--log-level", "info"), told, due}
}

// until reads what the server tells the service manager, up to a state.
func (s *served) until(t *testing.T, state string) {
	t.Helper()
	need.Done(t, s.told.SetReadDeadline(time.Now().Add(patience)))
	b := make([]byte, 100)
	for {
		n, err := s.told.Read(b)
		if err != nil {
			t.Fatalf("it never tells %s: %v\n%s", state, err, s.out)
		}
		if string(b[:n]) == state {
			return
		}
	}
}

// killWithGuards ends the server and its guards as a crash of the host does.
func (s *served) killWithGuards(t *testing.T) {
	t.Helper()
	s.signal(syscall.SIGSTOP) // so that it starts no other guard
	for _, pid := range s.p.guards() {
		need.Done(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	s.killAll()
}

// servesPlans makes a directory of plans, for gateways by name.
func (p *program) servesPlans(devices ...string) {
	p.t.Helper()
	need.Done(p.t, os.Mkdir(filepath.Join(p.dir, "plans"), 0o700))
	names := []string{"fleet.json"}
	for _, d := range devices {
		names = append(names, d+".pw")
	}
	for _, name := range names {
		need.Done(p.t, os.Link(filepath.Join(p.dir, name), filepath.Join(p.dir, "plans", name)))
	}
}

// due writes a file with a plan p that was due at a full minute.
func (p *program) due(at time.Time, name, text string) {
	p.t.Helper()
	text = strings.Replace(text, `"backups"`, fmt.Sprintf("%q", filepath.Join(p.dir, "backups")), 1)
	p.write("plans/"+name, strings.Replace(text, "  activity", fmt.Sprintf("  schedule {\n    cron = \"%d %d * * *\"\n  }\n  activity", at.Minute(), at.Hour()), 1))
	j := need.Value(journal.Open(filepath.Join(p.state(), "journal.db")))(p.t)
	need.Value(j.NoteSchedule(p.t.Context(), journal.Scheduled{Plan: "p", Origin: filepath.Join(p.dir, "plans", name)},
		fmt.Sprintf("%d %d * * * UTC", at.Minute(), at.Hour()), at.Add(-time.Minute)))(p.t)
	need.Done(p.t, j.Close())
}

var address = regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)

// lets writes a configuration that lets a token in.
func (p *program) lets(token string) {
	p.write("serve.hcl", fmt.Sprintf("listen = \"127.0.0.1:0\"\ntoken \"t\" {\n  sha256 = \"%x\"\n  role   = \"viewer\"\n}\n", sha256.Sum256([]byte(token))))
}

// get asks the server by HTTP; token may be empty.
func (s *served) get(t *testing.T, path, token string) (int, string) {
	t.Helper()
	q := need.Value(http.NewRequest("GET", "http://"+address.FindStringSubmatch(s.out.String())[1]+path, nil))(t)
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	res := need.Value(http.DefaultClient.Do(q))(t)
	defer res.Body.Close()
	return res.StatusCode, string(need.Value(io.ReadAll(res.Body))(t))
}

// TestAKilledServerRecoversFirstAndStartsNothingTwice: server and guard are
// killed with a domain quiesced. The next start brings it back, without a person.
// A stop cancels a run, and ends when its domain is back.
func TestAKilledServerRecoversFirstAndStartsNothingTwice(t *testing.T) {
	t.Parallel()
	p := guardedProgram(t, build(t), "", dpsim.Device{Name: "gw", AppDomains: 1})
	due := time.Now().UTC().Truncate(time.Minute)
	p.servesPlans("gw")
	dueNow := func(name string) { p.due(due, name, realDevices+quiescing) }
	p.exits(0, "owed") // makes the state directory
	p.lets("first")
	dueNow("one.hcl")
	p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
	first := p.serve(t, due)
	first.until(t, "READY=1")
	p.untilExporting("gw", "app01")
	p.exits(12, "serve --plans plans", "another server works on this state directory")
	if code, text := first.get(t, "/readyz", ""); code != 200 || text != "scheduler: ok\njournal: ok\nrecovery: ok\nplans: ok\n" {
		t.Errorf("/readyz: %d %q", code, text)
	}
	for token, want := range map[string]int{"": 401, "other": 401, "first": 200} {
		if code, text := first.get(t, "/metrics", token); code != want || (code == 200) != strings.Contains(text, "dprun_") {
			t.Errorf("/metrics with the token %q: %d %s", token, code, text)
		}
	}
	p.lets("second")
	first.signal(syscall.SIGHUP)
	p.await("another token counts", func() bool {
		code, _ := first.get(t, "/metrics", "second")
		return code == 200
	})
	if code, _ := first.get(t, "/metrics", "first"); code != 401 {
		t.Errorf("with a token that was taken back: %d", code)
	}
	first.killWithGuards(t)

	dueNow("two.hcl") // is due too, and comes after the recovery
	quiesces, exports := p.sent()["do-action/DomainQuiesce"], p.sent()["do-export"]
	second := p.serve(t, due)
	second.until(t, "READY=1")
	defer func() {
		if t.Failed() {
			t.Logf("the second server:\n%s", second.out)
		}
	}()
	p.await("the next run captures", func() bool {
		return p.sent()["do-action/DomainQuiesce"] == quiesces+1 && p.sent()["do-export"] > exports
	})
	if n := p.sent()["do-action/DomainUnquiesce"]; n == 0 {
		t.Error("the next run began before the domain was back")
	}
	second.signal(syscall.SIGTERM)
	second.until(t, "STOPPING=1")
	second.exits(0, "stopping: nothing new is started")
	if s := p.quiesceState("gw", "app01"); s != "" {
		t.Errorf("app01 is %s", s)
	}
	p.exits(0, "owed", "Nothing is left to undo")
	all := firings(t, p.state())
	if len(all) != 2 || all[0].Run == all[1].Run || all[0].Run == "" || !strings.Contains(all[0].Message, "the server ended while the run was in progress") || all[1].ExitCode != 143 {
		t.Errorf("%+v", all)
	}
}

// TestAfterACrashTheOverviewSaysWhatIsBack: the server is killed with its guards
// while three runs are under way, two of which have quiesced a domain. The next
// start brings both back and finishes the three, without a person, and says so.
func TestAfterACrashTheOverviewSaysWhatIsBack(t *testing.T) {
	t.Parallel()
	gateways := []string{"gwa", "gwb", "gwc"}
	var devices []dpsim.Device
	for _, name := range gateways {
		devices = append(devices, dpsim.Device{Name: name, AppDomains: 1})
	}
	p := guardedProgram(t, build(t), "", devices...)
	p.exits(0, "owed") // makes the state directory
	p.servesPlans(gateways...)
	p.lets("secret")
	p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
	due := time.Now().UTC().Truncate(time.Minute)
	for _, name := range gateways {
		plan := strings.Replace(quiescing, `["*"]`, fmt.Sprintf("[%q]", name), 1)
		if name == "gwc" {
			plan = strings.Replace(plan, `    quiesce = "domain"`, "", 1)
		}
		p.writeTogether("together.hcl", plan)
		p.due(due, name+".hcl", string(need.Value(os.ReadFile(filepath.Join(p.dir, "together.hcl")))(t)))
	}
	exports := func(device string) int { return p.fleet.State().Device(device).Operations["do-export"] }
	first := p.serve(t, due)
	first.until(t, "READY=1")
	p.untilExporting("gwa", "app01")
	p.untilExporting("gwb", "app01")
	p.await("the third run exports", func() bool { return exports("gwc") > 0 })
	first.killWithGuards(t)
	if a, b := p.quiesceState("gwa", "app01"), p.quiesceState("gwb", "app01"); a != "quiesced" || b != "quiesced" || len(p.guards()) > 0 {
		t.Fatalf("after the kill app01 is %q and %q, with guards %v", a, b, p.guards())
	}
	before := exports("gwa") + exports("gwb") + exports("gwc")

	second := p.serve(t, due)
	defer func() {
		if t.Failed() {
			t.Logf("the second server:\n%s", second.out)
		}
	}()
	second.until(t, "READY=1")
	var o report.Overview
	p.await("the overview tells of three runs that were finished", func() bool {
		code, text := second.get(t, "/api/v1/overview", "secret")
		o = report.Overview{}
		return code == http.StatusOK && json.Unmarshal([]byte(text), &o) == nil && len(o.Down.Recovered) == 3 &&
			!slices.ContainsFunc(o.Down.Recovered, func(r report.RecoveredRun) bool { return !r.Final })
	})
	for _, name := range gateways[:2] {
		if s := p.quiesceState(name, "app01"); s != "" {
			t.Errorf("app01 of %s is %s", name, s)
		}
		if n := p.fleet.State().Device(name).Operations["do-action/DomainQuiesce"]; n != 1 {
			t.Errorf("app01 of %s was quiesced %d times", name, n)
		}
	}
	if n := exports("gwa") + exports("gwb") + exports("gwc"); n != before {
		t.Errorf("%d exports after the next start: something was started twice", n-before)
	}
	back := map[string]bool{}
	for _, run := range o.Down.Recovered {
		for _, x := range run.Out {
			back[x.Device+" "+x.Domain] = x.End.After(x.Begin)
		}
	}
	if len(o.Down.Owed) > 0 || o.Down.Unknown != "" || len(back) != 2 || !back["gwa app01"] || !back["gwb app01"] {
		t.Errorf("the overview says %+v", o.Down)
	}
	if code, page := second.get(t, "/", "secret"); code != http.StatusOK || !strings.Contains(page, "Nothing is quiesced because of us.") ||
		!strings.Contains(page, "3 runs had died, and were finished without a person") {
		t.Errorf("the page: %d\n%s", code, page)
	}
	p.exits(0, "owed", "Nothing is left to undo")
	second.signal(syscall.SIGTERM)
	second.exits(0)
}
