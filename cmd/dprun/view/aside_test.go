package view

import (
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
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
		same(t, "at first", s.err.String(), "First what earlier runs owe; the plan is read after that:\n  domain orders of device fra-1 may still be quiesced\n  after_unquiesce script of domain orders of device fra-1 is still to run\n")
		s.err.Reset()
		s.now = at(29 * time.Second)
		h.Tick()
		same(t, "before it is time", s.err.String(), "")
		s.now = at(30 * time.Second)
		h.Tick()
		same(t, "after half a minute", s.err.String(), "2026-11-23T21:40:30Z still running: at what earlier runs owe, for 30s\n")
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
		guarded(down("fra-1", "app02", "domain app02: refused")), {Run: "01R", Plan: "nightly", Kind: "post_script", Note: "by hand, if it cannot be run any more: what script exec.tell does",
			Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack 01R"}})
	same(t, "what is owed", s.out.String(), `
5 things are still owed:

  device fra-1
    domain app01 may still be quiesced, since 2026-11-23T21:26:00Z (14m00s)
    domain app02 may still be quiesced, since 2026-11-23T21:26:00Z (14m00s)
      run 01R of plan nightly
      its guard, process 99, tries again at 2026-11-23T21:42:00Z
      last error: domain app02: refused
    domain crm may still be quiesced, since 2026-11-23T21:26:00Z (14m00s)
      run 02R of plan nightly
      held by process 17, back by 2026-11-23T21:41:00Z
    files left on the device, since 2026-11-23T21:26:00Z (14m00s)
      run 01R of plan nightly
    by hand, on fra-1:
      configure terminal
      domain-unquiesce app01
      domain-unquiesce app02
      rmdir temporary:///r
      show domains
    answer y to rmdir
    only if dprun cannot reach it, and all that device fra-1 owes is done by hand:
      dprun recover --ack fra-1

  device fra-2
    domain app01 may still be quiesced, since 2026-11-23T21:26:00Z (14m00s)
      run 01R of plan nightly
      no process is at it now
      last error: no connection
    by hand, on fra-2:
      configure terminal
      domain-unquiesce app01
      show domains
    only if dprun cannot reach it, and all that device fra-2 owes is done by hand:
      dprun recover --ack fra-2

  run 01R
    post-script of plan nightly is still to run
      run 01R of plan nightly
    by hand, if it cannot be run any more: what script exec.tell does
    only if dprun cannot run it, and all that run 01R owes is done by hand:
      dprun recover --ack 01R

  dprun tries again, and sees for itself what was done by hand, with:
      export DPRUN_STATE_DIR=/srv/dprun
      dprun recover
`)
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
		same(t, "what was settled", s.err.String(), "2026-11-23T21:40:00Z back in service: fra-1 / orders, was out of service 14m00s\n"+
			"2026-11-23T21:40:00Z back in service: fra-1, was out of service 14m00s\n2026-11-23T21:40:00Z files removed from fra-1\n")
	}
	var out strings.Builder
	NewJSON(Options{Stdout: &out, Told: Failures}, report.Version{}).Settled(orders)
	_, got, _ := strings.Cut(out.String(), "\n")
	same(t, "as JSON", got, `{"type":"settled","run":"01R","task":"x/fra-1/orders","kind":"unquiesce","device":"fra-1","domain":"orders","since":"2026-11-23T21:26:00Z","time":"2026-11-23T21:40:00Z"}`+"\n")
}

func TestWhatSomebodyTookResponsibilityForIsAnsweredInWords(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]report.Acknowledged{
		"gw-1: 2 obligations taken as done by hand.\n":                                                 {Device: "gw-1", Obligations: 2},
		"gw-1: taken as in service; nothing else was owed.\n":                                          {Device: "gw-1"},
		"01R: taken as ended; the journal does not know it, and its lock and staged files are gone.\n": {Run: "01R"},
	} {
		var s stage
		s.human(nil).Show(a)
		same(t, "the answer", s.out.String(), want)
	}
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
	same(t, "in a run", s.err.String(), "SIGINT: nothing new is started, and what is quiesced is brought back; once more shortens the time for that\n"+
		"SIGINT again: there is less time now to bring back what is quiesced\n")
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
	for name, c := range map[string]struct {
		preview report.Preview
		last    string
	}{
		"offline":             {report.Preview{Plan: "p", Tasks: tasks}, "1 task would run, 0 would not.\nWhich domains there are is known to the devices only: each of them becomes a task.\n"},
		"online":              {report.Preview{Plan: "p", Tasks: tasks, Contacted: true, Destinations: reports}, "1 task would run, 0 would not.\n"},
		"the window is open":  {report.Preview{Plan: "p", Tasks: tasks, Contacted: true, Destinations: reports, Window: "w is open", WindowOpen: true}, "1 task would run, 0 would not.\n"},
		"the window is shut":  {report.Preview{Plan: "p", Tasks: tasks, Contacted: true, Destinations: reports, Window: "w is closed"}, "1 task would run, 0 would not; none outside the window, which is closed now.\n"},
		"nothing is selected": {report.Preview{Plan: "p"}, "Nothing would run: none of the plan's devices is meant.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s stage
			h := s.human(nil)
			h.Show(c.preview)
			paragraphs := strings.Split(s.out.String(), "\n\n")
			same(t, "the end", paragraphs[len(paragraphs)-1], c.last)
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
