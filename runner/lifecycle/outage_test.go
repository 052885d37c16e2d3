package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// outage is a run in simulated time, with destinations that are away.
type outage struct {
	t     *testing.T
	fleet *fleet
	// answer gives how long an action takes, and what it then brings; nil: what
	// the action asks for, at once.
	answer func(a Action, at time.Duration) (time.Duration, *failure.Error)
	// check changes what a device's check brings.
	check func(a Action, r *sdk.CheckReport)
	size  int64 // of a capture
	state *sdk.DestinationReport

	run     *Run
	begun   map[string]int           // actions, by their kind and destination
	first   map[string]time.Duration // when the first of them began
	history map[string][]event.Status
	took    time.Duration
}

func newOutage(t *testing.T, tasks int, destinations ...Destination) *outage {
	o := &outage{t: t, fleet: exports(tasks, 1, Limits{Parallel: 2, PerDevice: 1}), begun: map[string]int{}, first: map[string]time.Duration{}, history: map[string][]event.Status{}}
	o.fleet.spec.Destinations = destinations
	o.fleet.spec.Timeouts.Store = 2 * time.Hour
	o.fleet.spec.ErrorPolicy = Ignore
	return o
}

// play walks the run to its end.
func (o *outage) play() *outage {
	o.t.Helper()
	o.run = NewRun(o.fleet.spec)
	type flight struct {
		a  Action
		at time.Time
		f  *failure.Error
	}
	now := epoch
	flying := map[string]*flight{}
	apply := func(e event.Event) {
		e.Time = now
		for _, s := range o.run.Apply(e) {
			o.history[s.Task] = append(o.history[s.Task], s)
		}
	}
	apply(event.Event{Kind: event.RunStarted})
	for range 100_000 {
		if _, done := o.run.Done(); done {
			o.took = now.Sub(epoch)
			return o
		}
		pending := map[string]bool{}
		for _, a := range o.run.Pending() {
			key := a.Task + " " + a.String()
			pending[key] = true
			if x := flying[key]; x != nil {
				if a.Kind.Timer() {
					x.at = a.NotBefore
				}
				continue
			}
			begins := now
			if a.NotBefore.After(now) {
				begins = a.NotBefore
			}
			x := &flight{a: a, at: begins}
			if !a.Kind.Timer() {
				name := strings.TrimSpace(string(a.Kind) + " " + a.Destination)
				if o.begun[name]++; o.begun[name] == 1 {
					o.first[name] = begins.Sub(epoch)
				}
				if o.answer != nil {
					var d time.Duration
					d, x.f = o.answer(a, begins.Sub(epoch))
					x.at = begins.Add(d)
				}
			}
			flying[key] = x
		}
		var next string
		for key, x := range flying {
			if !pending[key] {
				delete(flying, key)
			} else if (!x.a.Kind.Held() || !x.at.IsZero()) && (next == "" || x.at.Before(flying[next].at) || x.at.Equal(flying[next].at) && key < next) {
				next = key
			}
		}
		if next == "" {
			o.t.Fatalf("nothing is pending, and the run has not ended")
		}
		x := flying[next]
		if x.a.Kind.Held() {
			x.at = time.Time{} // held, until it is no longer pending
		} else {
			delete(flying, next)
			now = x.at
		}
		apply(event.Event{Kind: event.Finished, Task: x.a.Task, Action: x.a.String(), Failure: x.f, Result: o.result(x.a, x.f)})
	}
	o.t.Fatal("the run does not end")
	return nil
}

func (o *outage) result(a Action, f *failure.Error) *event.Result {
	r := &event.Result{}
	switch a.Kind {
	case ActInspect:
		r.Inspection = &sdk.Inspection{Domains: o.fleet.domains}
	case ActCheckDestination:
		r.Destination = o.state
	case ActPrepare:
		r.Prepared = &event.Prepared{}
	case ActValidate, ActCheck, ActRecheck:
		r.Check = &sdk.CheckReport{Space: sdk.Space{FreeTemporary: -1}, Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Variants: []string{sdk.VariantPersisted}}
		if o.check != nil && f == nil {
			o.check(a, r.Check)
		}
	case ActCapture:
		r.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "a", Size: o.size}}}
	case ActProbe, ActQuiesceState, ActUnquiesceState:
		r.Quiesce = &sdk.QuiesceReport{State: sdk.StateNormal}
	case ActStore, ActManifest:
		r.Store = &sdk.StoreReport{Location: "there", Durable: true}
	}
	if f != nil {
		return nil
	}
	return r
}

// ended counts the tasks by their last code.
func (o *outage) ended() string {
	n := map[status.Code]int{}
	for _, t := range o.run.Tasks() {
		n[status.Code(t.Final().Code)]++
	}
	return fmt.Sprint(n)
}

func (o *outage) want(ended string) {
	o.t.Helper()
	if got := o.ended(); got != "map["+ended+"]" {
		o.t.Errorf("the tasks ended in %s, want %s", got, ended)
		for _, t := range o.run.Tasks() {
			o.t.Logf("%s: %s: %s", t.Spec().ID, codes(o.history[t.Spec().ID]), t.Final().Message)
		}
	}
}

var gone = failure.New(failure.Unavailable, failure.Unreachable, "connection refused")

// silent is a server that takes a connection and says nothing more.
var silent = failure.New(failure.Timeout, failure.Unreachable, "no answer")

func TestADestinationThatIsAwayForHalfAMinuteCostsNoBackup(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]ActionKind{"in the middle of a store": ActStore, "at the manifest": ActManifest, "at the check": ActCheckDestination} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for begins := range 3 {
				from := time.Duration(begins) * 7 * time.Second
				o := newOutage(t, 6, Destination{Name: "sftp.vault", Parallel: 2})
				var left time.Duration
				o.answer = func(a Action, at time.Duration) (time.Duration, *failure.Error) {
					if a.Kind == kind && at >= from && left == 0 {
						left = at + 28*time.Second
					}
					if a.Destination != "" && left > 0 && at < left {
						return 0, gone
					}
					return time.Second, nil
				}
				o.play().want("SUCCESS:6")
				if o.begun["capture"] != 6 {
					t.Errorf("%d captures were made for 6 tasks", o.begun["capture"])
				}
				if o.took > 2*time.Minute {
					t.Errorf("it took %s", o.took)
				}
			}
		})
	}
}

func TestWaitingForADestinationIsSaidOnce(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 1, Destination{Name: "sftp.vault"})
	o.answer = func(a Action, at time.Duration) (time.Duration, *failure.Error) {
		if a.Kind == ActStore && at < time.Hour {
			return 0, gone
		}
		return 0, nil
	}
	o.play().want("SUCCESS:1")
	h := o.history["x/d00000/app00000"]
	said := slices.DeleteFunc(slices.Clone(h), func(s event.Status) bool { return status.Code(s.Code) != status.StoreWaiting })
	if len(said) != 1 || said[0].Message != "destination sftp.vault: connection refused; it is tried again, for 2h0m0s at most" {
		t.Errorf("%+v", said)
	}
	if n := o.begun["store sftp.vault"]; n < 25 || n > 60 {
		t.Errorf("it was tried %d times in an hour", n)
	}
}

func TestADestinationThatStaysAwayEndsAtTheTimeOutAndSaysWhy(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 3, Destination{Name: "sftp.vault"}, Destination{Name: "file.local"})
	o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
		if a.Destination == "sftp.vault" && a.Kind == ActStore {
			return 0, gone
		}
		return time.Second, nil
	}
	o.play().want("EXECUTION_STORE_TIMEOUT_OCCURRED:3")
	if m := o.run.Tasks()[0].Final().Message; !strings.Contains(m, "destination sftp.vault: not stored within 2h0m0s") || !strings.HasSuffix(m, "the last time: connection refused") {
		t.Errorf("it says %q", m)
	}
	for _, task := range o.run.Tasks() {
		if !task.anyStored() {
			t.Errorf("%s is not stored at the other destination", task.Spec().ID)
		}
	}
	if o.took > 2*time.Hour+time.Minute {
		t.Errorf("it took %s", o.took)
	}
}

// A server that takes a connection and then says nothing costs every attempt a
// time-out of the plugin. Only one store at a time pays for it.
func TestADestinationThatStallsHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	const tasks = 40
	o := newOutage(t, tasks, Destination{Name: "nfs.stalls", Parallel: 8}, Destination{Name: "file.local", Parallel: 8})
	var captured, stored time.Duration
	attempts := 0
	o.answer = func(a Action, at time.Duration) (time.Duration, *failure.Error) {
		switch {
		case a.Kind == ActCapture:
			captured = max(captured, at)
			return 10 * time.Second, nil
		case a.Kind == ActManifest && a.Destination == "file.local":
			stored = max(stored, at)
		case a.Kind == ActStore && a.Destination == "nfs.stalls" && at < time.Hour:
			attempts++
			return time.Minute, silent
		}
		return time.Second, nil
	}
	o.play().want(fmt.Sprintf("SUCCESS:%d", tasks))
	if captured > 6*time.Minute || stored > 6*time.Minute {
		t.Errorf("the last capture began after %s, the last set stood at the other destination after %s", captured, stored)
	}
	if attempts > 40 { // an hour of a minute each and pauses of two, and those that were under way together
		t.Errorf("%d stores ran into the time-out", attempts)
	}
	if o.took > 70*time.Minute {
		t.Errorf("it took %s", o.took)
	}
}

func TestARefusedLoginIsNotTriedAgainByAnybody(t *testing.T) {
	t.Parallel()
	refused := failure.New(failure.Denied, failure.BadCredentials, "log in as backup: refused")
	for name, kind := range map[string]ActionKind{"at the run's check": ActCheckDestination, "at a store": ActStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t, 12, Destination{Name: "sftp.vault", Parallel: 1}, Destination{Name: "file.local"})
			logins := 0
			o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
				if a.Destination == "sftp.vault" && a.Kind == kind {
					logins++
					return time.Second, refused
				}
				return 2 * time.Second, nil
			}
			o.play()
			if logins != 1 {
				t.Errorf("the login was tried %d times", logins)
			}
			for _, task := range o.run.Tasks() {
				if !task.anyStored() || !strings.Contains(task.Final().Message, "refused") {
					t.Errorf("%s ended in %s: %s", task.Spec().ID, task.Final().Code, task.Final().Message)
				}
			}
		})
	}
}

func TestTheQueueOfADestinationThatWorksIsNoTimeOut(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 6, Destination{Name: "sftp.slow", Parallel: 1})
	o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
		if a.Kind == ActStore {
			return time.Hour, nil
		}
		return time.Second, nil
	}
	o.play().want("SUCCESS:6")
	if o.took < 6*time.Hour {
		t.Errorf("it took %s: the destination allows one store at once", o.took)
	}
}

func TestOneDeadDestinationDelaysNoDevice(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 30, Destination{Name: "nfs.dead"}, Destination{Name: "file.local"})
	o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
		if a.Kind == ActCheckDestination && a.Destination == "nfs.dead" {
			return 2 * time.Minute, silent
		}
		return time.Second, nil
	}
	o.play().want("EXECUTION_PRE_CHECKS_DESTINATION_NOT_REACHABLE:30")
	if at := o.first["inspect"]; at > 5*time.Second {
		t.Errorf("the first device was inspected after %s", at)
	}
	if n := o.begun["check_destination nfs.dead"]; n > 8 {
		t.Errorf("the dead destination was asked %d times", n)
	}
	if o.took > 10*time.Minute {
		t.Errorf("it took %s", o.took)
	}
	for _, task := range o.run.Tasks() {
		if !task.anyStored() {
			t.Errorf("%s is not stored at the other destination", task.Spec().ID)
		}
	}
}

// While every destination is waited for nothing else is to be seen: it is said at
// once, and once for each.
func TestADestinationThatIsWaitedForIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 1, Destination{Name: "sftp.vault"})
	o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
		if a.Kind == ActCheckDestination {
			return time.Second, gone
		}
		return time.Second, nil
	}
	o.play()
	var said []event.Status
	for _, s := range o.history[""] {
		if s.Message != "" && !s.Final {
			said = append(said, s)
		}
	}
	want := "waiting for destination sftp.vault: " + gone.Error() + "; trying until " + epoch.Add(time.Minute).Format(time.TimeOnly)
	if len(said) != 1 || said[0].Message != want || said[0].Code != string(status.WaitingForPreValidation) || said[0].Time.After(epoch.Add(2*time.Second)) {
		t.Errorf("said %+v, want %q once", said, want)
	}
}

func TestAPreviewHearsFromEveryDestinationBeforeItLooksAtADevice(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 1, Destination{Name: "sftp.slow"}, Destination{Name: "file.local"})
	o.fleet.spec.AwaitDestinations = true
	o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
		if a.Kind == ActCheckDestination && a.Destination == "sftp.slow" {
			return 40 * time.Second, nil
		}
		return time.Second, nil
	}
	o.play()
	if at := o.first["inspect"]; at < 40*time.Second {
		t.Errorf("the first device was inspected after %s", at)
	}
}

func TestNoCaptureBeginsWhileStagingIsFull(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 20, Destination{Name: "sftp.vault", Parallel: 1})
	o.size, o.fleet.spec.Staging = 100, 350
	captured, waiting := 0, 0
	o.answer = func(a Action, at time.Duration) (time.Duration, *failure.Error) {
		switch {
		case a.Kind == ActCapture:
			captured++
		case a.Kind == ActStore && at < time.Hour:
			waiting = captured
			return 0, gone
		}
		return time.Second, nil
	}
	o.play().want("SUCCESS:20")
	if waiting < 4 || waiting > 6 { // two more were under way when it was full
		t.Errorf("%d of 20 tasks captured 100 bytes each while 350 might wait in staging", waiting)
	}
}

func TestPollsOfABusyDeviceAreNoRetries(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 1, Destination{Name: "file.local"})
	o.fleet.spec.Activities[0].Quiesce = QuiesceDomain
	o.fleet.spec.Timeouts.Quiesce, o.fleet.spec.Timeouts.Unquiesce = time.Minute, time.Minute
	polls := 0
	o.check = func(_ Action, r *sdk.CheckReport) {
		if polls++; polls <= 5 {
			r.CurrentCommand = "backup"
		}
	}
	failed := 0
	o.answer = func(a Action, _ time.Duration) (time.Duration, *failure.Error) {
		if (a.Kind == ActCheck || a.Kind == ActRecheck) && polls == 4 && failed < 2 {
			failed++
			return time.Second, gone
		}
		return time.Second, nil
	}
	o.play()
	if h := o.history["x/d00000/app00000"]; !strings.Contains(codes(h), string(status.QuiesceStarted)) {
		t.Errorf("a device that did not answer twice, after it was busy, was given up: %s: %s", codes(h), h[len(h)-1].Message)
	}
}

func TestADeviceThatDoesOtherWorkIsWaitedForAndThenNotQuiesced(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"ends": true, "lasts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t, 1, Destination{Name: "file.local"})
			o.fleet.spec.Activities[0].Quiesce = QuiesceDomain
			o.fleet.spec.Timeouts.Quiesce, o.fleet.spec.Timeouts.Unquiesce = time.Minute, time.Minute
			polls := 0
			o.check = func(_ Action, r *sdk.CheckReport) {
				if polls++; !ends || polls <= 3 {
					r.Busy, r.BusyWith = true, []string{"administrator anna is logged in"}
				}
			}
			o.play()
			h := o.history["x/d00000/app00000"]
			if last := h[len(h)-1]; strings.Contains(codes(h), string(status.QuiesceStarted)) != ends || !ends && !strings.Contains(last.Message, "busy for 5m0s: administrator anna") {
				t.Errorf("%s: %s", codes(h), last.Message)
			}
		})
	}
}

func TestARunSaysAtItsStartWhatItsDestinationsCannotDo(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 1, Destination{Name: "sftp.vault"})
	o.state = &sdk.DestinationReport{Free: -1, Total: -1, Warnings: []string{"copies have mode 0644, not 0600"}}
	o.play().want("SUCCESS:1")
	for _, s := range o.history[""] {
		if s.Code == string(status.RunStarted) {
			if d := cmp.Diff([]string{"destination sftp.vault: copies have mode 0644, not 0600"}, s.Warnings); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			return
		}
	}
	t.Errorf("the run has not started: %v", o.history[""])
}
