package view

import (
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestWhatEarlierRunsOweIsSaidBeforeItIsDone(t *testing.T) {
	t.Parallel()
	owed := []report.Owed{
		{Run: "01R", Kind: "post_script", ID: lifecycle.OwedAfterUnquiesce, Device: "fra-1", Domain: "orders"},
		{Run: "01R", Kind: "unquiesce", Device: "fra-1", Domain: "orders"},
	}
	for _, live := range []bool{false, true} {
		var s stage
		h := s.human(func(o *Options) { o.Live = live })
		h.Paying(owed, "the plan is read after that")
		golden.Same(t, "testdata/paying.txt", s.err.String())
		s.err.Reset()
		s.now = at(29 * time.Second)
		h.Tick()
		same(t, "before it is time", s.err.String(), "")
		s.now = at(30 * time.Second)
		h.Tick()
		same(t, "after half a minute", s.err.String(), "2026-11-23T21:40:30Z still running: undoing what earlier runs left, for 30s\n")
		h.Show(owed[:1])
		s.err.Reset()
		s.now = at(2 * time.Minute)
		h.Tick()
		same(t, "when it is over", s.err.String(), "")
		need.Done(t, h.Close())
	}
}

// However many domains of a device are quiesced: what to type stands there once.
func TestWhatToTypeIsSaidOnceForEachDevice(t *testing.T) {
	t.Parallel()
	down := func(device, domain, trouble string) report.Owed {
		return report.Owed{Run: "01R", Plan: "nightly", Task: "domains/" + device + "/" + domain, Kind: "unquiesce", Device: device, Domain: domain, Since: at(-14 * time.Minute), LastError: trouble,
			DeviceCommands: []string{"configure terminal", "domain-unquiesce " + domain, "show domains"},
			Commands:       []string{"export DPRUN_STATE_DIR=/srv/dprun", "dprun recover"}, Acknowledge: "dprun recover --ack " + device}
	}
	guarded := func(o report.Owed) report.Owed {
		o.GuardedBy, o.NextTry = "process 99", at(2*time.Minute)
		return o
	}
	held := guarded(down("fra-1", "crm", ""))
	held.Run, held.Held, held.HeldBy, held.DueBack = "02R", true, "process 17", at(time.Minute)
	files := down("fra-1", "", "")
	files.Kind, files.DeviceCommands, files.Note = "discard", []string{"configure terminal", "rmdir temporary:///r"}, "answer y to rmdir"
	var s stage
	s.human(nil).Show([]report.Owed{guarded(down("fra-1", "app01", "domain app01: refused")), files, down("fra-2", "app01", "no connection"), held,
		guarded(down("fra-1", "app02", "domain app02: refused")), {Run: "01R", Plan: "nightly", Kind: "post_script", Note: "if it cannot run any more, do by hand what script exec.tell does",
			Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack 01R"}})
	golden.Same(t, "testdata/owed.txt", s.out.String())
	for text, times := range map[string]int{"\n      configure terminal\n": 2, "\n      domain-unquiesce app01\n": 2, "\n      dprun recover --ack fra-1\n": 1, "\n      dprun recover\n": 1} {
		if n := strings.Count(s.out.String(), text); n != times {
			t.Errorf("%q stands there %d times, want %d", text, n, times)
		}
	}
}

func TestWhatMayBeOutOfServiceIsListedFirst(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	h.Show([]report.Owed{{Run: "01R", Plan: "nightly", Kind: "post_script"}, {Run: "01R", Kind: "discard", Device: "a"}, {Run: "01R", Kind: "unquiesce", Device: "a"}})
	var titles []string
	for l := range strings.Lines(s.out.String()) {
		if strings.HasPrefix(l, "    ") && l[4] != ' ' {
			titles = append(titles, strings.TrimSpace(l))
		}
	}
	same(t, "the order", strings.Join(titles, "\n"), "the device may still be quiesced\nfiles left on the device\npost-script of plan nightly is still to run")
}

func TestWhatRecoverySettlesIsSaidALineForEach(t *testing.T) {
	t.Parallel()
	orders := event.Settled{Run: "01R", Task: "x/fra-1/orders", Kind: "unquiesce", Device: "fra-1", Domain: "orders", Since: at(-14 * time.Minute), Time: at(0)}
	whole, files := orders, orders
	whole.Domain = ""
	files.Domain, files.Kind = "", "discard"
	for _, told := range []Told{Steps, All, Failures} {
		var s stage
		h := s.human(func(o *Options) { o.Told = told })
		h.Settled(orders)
		h.Settled(whole)
		h.Settled(files)
		golden.Same(t, "testdata/settled.txt", s.err.String())
	}
	var out strings.Builder
	NewJSON(Options{Stdout: &out, Told: Failures}, report.Version{}).Settled(orders)
	_, got, _ := strings.Cut(out.String(), "\n")
	same(t, "as JSON", got, `{"type":"settled","run":"01R","task":"x/fra-1/orders","kind":"unquiesce","device":"fra-1","domain":"orders","since":"2026-11-23T21:26:00Z","time":"2026-11-23T21:40:00Z"}`+"\n")
}

func TestWhatSomebodyTookResponsibilityForIsAnsweredInWords(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	for _, a := range []report.Acknowledged{{Device: "gw-1", Obligations: 2}, {Device: "gw-1"}, {Run: "01R"}} {
		h.Show(a)
	}
	golden.Same(t, "testdata/acknowledged.txt", s.out.String())
}

func TestAStopSignalIsAnswered(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	h.Stopping("SIGINT", false)
	same(t, "with nothing to wait for", s.err.String(), "")
	h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
	s.err.Reset()
	h.Stopping("SIGINT", false)
	h.Stopping("SIGINT", true)
	golden.Same(t, "testdata/stopping.txt", s.err.String())
}

func TestAScriptBetweenTwoPhasesIsNamed(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"EXECUTION_WAITING_FOR_BEFORE_QUIESCE_SCRIPT":  "before_quiesce script",
		"EXECUTION_WAITING_FOR_AFTER_UNQUIESCE_SCRIPT": "after_unquiesce script",
		"EXECUTION_UNQUIESCE_WAITING_FOR_UNQUIESCE":    "unquiescing",
	} {
		same(t, code, (&tracked{status: event.Status{Code: code}}).doing(), want)
	}
}

func TestAPreviewSaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	tasks := []report.PreviewTask{{Task: "d/a/app*", Activity: "d", Device: "a", Domain: "app*"}}
	reports := map[string]*sdk.DestinationReport{"file.disk": {Location: "/b", Free: -1, Total: -1}}
	for name, preview := range map[string]report.Preview{
		"offline":             {Plan: "p", Tasks: tasks},
		"online":              {Plan: "p", Tasks: tasks, Contacted: true, Destinations: reports},
		"the window is open":  {Plan: "p", Tasks: tasks, Contacted: true, Destinations: reports, Window: "w is open", WindowOpen: true},
		"the window is shut":  {Plan: "p", Tasks: tasks, Contacted: true, Destinations: reports, Window: "w is closed"},
		"nothing is selected": {Plan: "p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s stage
			s.human(nil).Show(preview)
			golden.Same(t, "testdata/preview-"+strings.ReplaceAll(name, " ", "-")+".txt", s.out.String())
		})
	}
}

func TestAPreviewNamesDestinationsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	unusable := map[string]report.PreviewUnusable{"nfs.vault": {Code: "CODE", Message: "not mounted", Action: "Mount it."}}
	reports := map[string]*sdk.DestinationReport{"file.disk": {Location: "/b", Free: -1, Total: -1}}
	want := "\nDESTINATION  LOCATION\nfile.disk    /b\nnfs.vault    cannot be used\n\n  nfs.vault: CODE: not mounted\n  What to do: Mount it.\n"
	for _, asked := range []bool{true, false} {
		var s stage
		h := s.human(nil)
		p := &report.Preview{Plan: "p"}
		if asked {
			p.Contacted, p.Destinations, p.Unusable = true, reports, unusable
		}
		h.Show(*p)
		if got := strings.Contains(s.out.String(), want); got != asked {
			t.Errorf("asked %v: %q", asked, s.out.String())
		}
	}
}

func TestAStopOfQuiescesSaysForWhatAndHowItEnds(t *testing.T) {
	t.Parallel()
	var s stage
	s.human(nil).Show(report.Hold{Stops: []report.Stop{
		{Since: start, By: "anna", Reason: "change 4711"},
		{Device: "fra-1", Since: start},
		{Device: "fra-2", Environment: "env=qa", Since: start, Closed: at(time.Hour), ClosedBy: "dprun recover"},
	}})
	golden.Same(t, "testdata/quiesce-stopped.txt", s.out.String())
	for _, key := range []string{"the fleet since 2026-11-23T21:40:00Z by anna (change 4711)", "dprun hold --release", "fra-1 did not come back. dprun recover", "env=qa", "Ended 2026-11-23T22:40:00Z"} {
		if !strings.Contains(s.out.String(), key) {
			t.Errorf("%q is not said", key)
		}
	}
}
