package lifecycle

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

var update = flag.Bool("update", false, "record the golden journals of a new version of the machine")

// recording is a run as it was recorded: by which version of the machine, what
// it was made from, what came back, and what the machine made of it.
type recording struct {
	Version  int            `json:"machine_version"`
	Spec     RunSpec        `json:"spec"`
	Events   []event.Event  `json:"events"`
	Statuses []event.Status `json:"statuses"`
	Exit     int            `json:"exit_code"`
}

// TestARecordedRunReplaysToTheSameStatuses. Who changes what events mean needs
// a new MachineVersion, since runs that died under the old one are in journals;
// then, and only then, -update records the journals anew.
func TestARecordedRunReplaysToTheSameStatuses(t *testing.T) {
	t.Parallel()
	for name, play := range recordings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "journals", name+".json")
			text, err := os.ReadFile(file)
			var was recording
			if err == nil {
				err = json.Unmarshal(text, &was)
			}
			if *update && (err != nil || was.Version != MachineVersion) {
				record(t, file, play(t))
				return
			}
			if err != nil {
				t.Fatalf("%v; a new journal is recorded with -update", err)
			}
			if was.Version != MachineVersion {
				t.Fatalf("it was recorded by version %d, and the machine has version %d: record it with -update", was.Version, MachineVersion)
			}
			statuses, exit, err := replayed(was)
			if err != nil {
				t.Fatalf("version %d does not mean what it meant: %v; a change of meaning needs a new MachineVersion", MachineVersion, err)
			}
			if d := cmp.Diff(was.Statuses, statuses); d != "" || exit != was.Exit {
				t.Errorf("version %d does not mean what it meant: a change of meaning needs a new MachineVersion, then -update; exit code %d, recorded %d; statuses (-recorded +now):\n%s", MachineVersion, exit, was.Exit, d)
			}
		})
	}
}

// TestEveryGoldenJournalIsPlayed: none is left behind.
func TestEveryGoldenJournalIsPlayed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "journals", "*.json"))
	if err != nil || len(files) != len(recordings()) {
		t.Errorf("%d files for %d journals: %v", len(files), len(recordings()), err)
	}
}

func replayed(r recording) (statuses []event.Status, exit int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	run := NewRun(r.Spec)
	for _, e := range r.Events {
		statuses = append(statuses, run.Apply(e)...)
	}
	exit, done := run.Done()
	if !done {
		err = fmt.Errorf("the run does not end")
	}
	return statuses, exit, err
}

func record(t *testing.T, file string, r recording) {
	t.Helper()
	r.Version = MachineVersion
	statuses, exit, err := replayed(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Statuses, r.Exit = statuses, exit
	var b bytes.Buffer
	line := func(v any, end string) {
		text := need.Value(json.Marshal(v))(t)
		b.Write(text)
		b.WriteString(end)
	}
	fmt.Fprintf(&b, "{\"machine_version\":%d,\"exit_code\":%d,\n\"spec\":", r.Version, r.Exit)
	line(r.Spec, ",\n\"events\":[\n")
	for i, e := range r.Events {
		line(e, lineEnd(i, len(r.Events)))
	}
	b.WriteString("],\n\"statuses\":[\n")
	for i, s := range r.Statuses {
		line(s, lineEnd(i, len(r.Statuses)))
	}
	b.WriteString("]}\n")
	need.Done(t, os.MkdirAll(filepath.Dir(file), 0o755))
	need.Done(t, os.WriteFile(file, b.Bytes(), 0o644))
}

// lineEnd ends the i-th of n elements, one a line.
func lineEnd(i, n int) string {
	if i == n-1 {
		return "\n"
	}
	return ",\n"
}

// recordings are the runs of which journals are kept.
func recordings() map[string]func(t *testing.T) recording {
	domains := func() RunSpec {
		s := oneActivity(schema.ScopeDomain)
		s.Activities[0].Quiesce = QuiesceDomain
		s.Timeouts = Timeouts{Queue: 24 * time.Hour, Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute, Store: 2 * time.Hour, Healthy: 5 * time.Minute}
		s.Activities[0].BeforeQuiesce, s.Activities[0].AfterUnquiesce = &Script{Address: "exec.drain"}, &Script{Address: "exec.rejoin"}
		s.PreScript, s.PostScript = &Script{Address: "exec.open"}, &Script{Address: "exec.close"}
		return s
	}
	secure := func() RunSpec {
		s := domains()
		s.Activities[0].Scope, s.Activities[0].Exclusive, s.Activities[0].Quiesce = schema.ScopeDevice, true, QuiesceDevice
		return s
	}
	return map[string]func(t *testing.T) recording{
		"success": func(t *testing.T) recording { return (&scene{spec: domains()}).play(t) },
		"failed-export": func(t *testing.T) recording {
			return (&scene{spec: domains(), fails: func(a Action) *failure.Error {
				if a.Kind == ActCapture && a.Task == "a/d/orders" {
					return failure.New(failure.Corrupt, failure.EmptyFile, "the export is empty")
				}
				return nil
			}}).play(t)
		},
		"unquiesce-time-out": func(t *testing.T) recording { return (&scene{spec: domains(), stuck: true}).play(t) },
		"not-healthy":        func(t *testing.T) recording { return (&scene{spec: domains(), sick: "orders"}).play(t) },
		"cancelled": func(t *testing.T) recording {
			return (&scene{spec: domains(), at: ActCapture, then: []event.Event{{Kind: event.CancelRequested, Reason: "SIGTERM"}}}).play(t)
		},
		"crash-and-recovery": func(t *testing.T) recording {
			return (&scene{spec: domains(), at: ActCapture, then: []event.Event{{Kind: event.Interrupted,
				Recovered: []event.Recovered{{Task: "a/d/orders", ID: OwedUnquiesce}}}}}).play(t)
		},
		"crash-while-storing": func(t *testing.T) recording {
			return (&scene{spec: domains(), at: ActStore, then: []event.Event{{Kind: event.Interrupted}}}).play(t)
		},
		"secure-backup": func(t *testing.T) recording { return (&scene{spec: secure()}).play(t) },
		"halt": func(t *testing.T) recording {
			s := domains()
			s.ErrorPolicy, s.Limits = Halt, Limits{Parallel: 1}
			return (&scene{spec: s, fails: func(a Action) *failure.Error {
				if a.Kind == ActCapture {
					return failure.New(failure.Precondition, failure.NotPermitted, "not allowed")
				}
				return nil
			}}).play(t)
		},
		"destination-away": func(t *testing.T) recording {
			n := 0
			return (&scene{spec: domains(), fails: func(a Action) *failure.Error {
				if n++; a.Kind == ActStore && n < 60 {
					return gone
				}
				return nil
			}}).play(t)
		},
		"journal-full": func(t *testing.T) recording {
			return (&scene{spec: domains(), at: ActCapture, then: []event.Event{{Kind: event.JournalFailed}}}).play(t)
		},
	}
}

// scene plays a run of a device with two domains to its end, in simulated time.
type scene struct {
	spec  RunSpec
	fails func(Action) *failure.Error
	stuck bool          // the first target to be quiesced does not come back
	sick  string        // a domain whose handler does not come up again
	at    ActionKind    // when the first of these of what was quiesced is pending, then comes
	then  []event.Event // before its result

	run   *Run
	now   time.Time
	down  map[string]bool // by domain; "": the device
	held  map[string]bool
	begun map[string]bool
	log   []event.Event
}

func (p *scene) apply(e event.Event) {
	e.V, e.Time = event.Version, p.now
	p.log = append(p.log, e)
	p.run.Apply(e)
}

func (p *scene) play(t *testing.T) recording {
	t.Helper()
	p.run, p.now = NewRun(p.spec), epoch
	p.down, p.held, p.begun = map[string]bool{}, map[string]bool{}, map[string]bool{}
	p.apply(event.Event{Kind: event.RunStarted})
	for range 2000 {
		if _, done := p.run.Done(); done {
			return recording{Spec: p.spec, Events: p.log}
		}
		as := slices.DeleteFunc(p.run.Pending(), func(a Action) bool { return p.held[a.Task+" "+a.String()] })
		if len(as) == 0 {
			t.Fatal("the run has not ended, and nothing is pending")
		}
		a := slices.MinFunc(as, func(a, b Action) int { return a.NotBefore.Compare(b.NotBefore) })
		if a.NotBefore.After(p.now) {
			p.now = a.NotBefore
		}
		p.now = p.now.Add(100 * time.Millisecond)
		if key := a.Task + " " + a.String(); a.Once() && !p.begun[key] {
			p.begun[key] = true
			p.apply(event.Event{Kind: event.Started, Task: a.Task, Action: a.String()})
		}
		if a.Kind == p.at && a.Domain != defaultDomain {
			then := p.then
			p.at, p.then = "", nil
			for _, e := range then {
				if e.Kind == event.Interrupted {
					clear(p.begun)
					clear(p.held)
					clear(p.down)
				}
				p.apply(e)
			}
			continue
		}
		p.held[a.Task+" "+a.String()] = a.Kind.Held()
		e := event.Event{Kind: event.Finished, Task: a.Task, Action: a.String()}
		if p.fails != nil {
			e.Failure = p.fails(a)
		}
		if e.Failure == nil {
			e.Result = p.result(a)
		}
		p.apply(e)
	}
	t.Fatal("the run does not end")
	return recording{}
}

func (p *scene) report(domain string) *sdk.QuiesceReport {
	r := &sdk.QuiesceReport{State: sdk.StateNormal, Domains: map[string]sdk.QuiesceState{}}
	for _, d := range []string{"orders", "pay"} {
		r.Domains[d] = sdk.StateNormal
		if p.down[d] || p.down[""] {
			r.Domains[d] = sdk.StateQuiesced
		}
	}
	if p.down[domain] || p.down[""] {
		r.State = sdk.StateQuiesced
	}
	return r
}

func (p *scene) health(a Action) *sdk.HealthReport {
	r := &sdk.HealthReport{}
	for _, d := range []string{"orders", "pay"} {
		if a.Domain == "" || a.Domain == d {
			up := !p.down[d] && !p.down[""] && (p.sick != d || a.Kind != ActHealthBack)
			r.Objects = append(r.Objects, sdk.ObjectHealth{Domain: d, Class: "HTTPSourceProtocolHandler", Name: "in", Serving: true, Up: up},
				sdk.ObjectHealth{Domain: d, Class: "LogTarget", Name: "syslog", Detail: "host unreachable"})
		}
	}
	return r
}

func (p *scene) result(a Action) *event.Result {
	r := &event.Result{}
	switch a.Kind {
	case ActInspect:
		r.Inspection = &sdk.Inspection{Facts: sdk.Facts{Identity: "box"}, Domains: []sdk.Domain{{Name: "default"}, {Name: "orders"}, {Name: "pay"}}}
	case ActCheckDestination:
		r.Destination = &sdk.DestinationReport{Free: -1, Total: -1}
	case ActPrepare:
		r.Prepared = &event.Prepared{Stamp: "s", Name: "set", Sets: map[string]string{"file.a": "dir"}}
	case ActProbe, ActQuiesceState, ActUnquiesceState:
		r.Quiesce = p.report(a.Domain)
	case ActHealth, ActHealthAgain, ActHealthBack:
		r.Health = p.health(a)
	case ActValidate, ActCheck, ActRecheck:
		r.Check = &sdk.CheckReport{Quiesce: *p.report(a.Domain), Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted, sdk.VariantRunning}}
		if a.Domain == "" {
			r.Check.Variants, r.Check.Token = []string{sdk.VariantSecureBackup}, "temporary:///x"
		}
	case ActQuiesce:
		p.down[a.Domain] = true
	case ActUnquiesce:
		if !p.stuck {
			p.down[a.Domain] = false
		}
	case ActCapture:
		r.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "a", Staged: "s/a", File: "a", Size: 100}}}
	case ActStore, ActManifest:
		r.Store = &sdk.StoreReport{Location: "/b/dir/a", Durable: true, ModeKept: true}
	case ActScript:
		r.Script = &sdk.RunReport{}
	}
	return r
}
