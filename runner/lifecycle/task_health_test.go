package lifecycle

import (
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

// looked is what a reading of objects brought.
type looked struct {
	report  *sdk.HealthReport
	failure *failure.Error
}

// objects is a reading: "+Class name" serves and is up, "-" serves and is down,
// "q" serves and is quiesced, "d" serves and is disabled, "." serves not and is down.
func objects(domain string, of ...string) looked {
	r := &sdk.HealthReport{}
	for _, o := range of {
		class, name, _ := strings.Cut(o[1:], " ")
		r.Objects = append(r.Objects, sdk.ObjectHealth{Domain: domain, Class: class, Name: name, Serving: o[0] != '.', Up: o[0] == '+', Quiesced: o[0] == 'q', Disabled: o[0] == 'd'})
	}
	return looked{report: r}
}

func unreadable(domains ...string) looked {
	r := &sdk.HealthReport{}
	for _, d := range domains {
		r.Unread = append(r.Unread, sdk.UnreadDomain{Domain: d, Failure: boom()})
	}
	return looked{report: r}
}

// seen plays a task to its end with what its readings of objects bring: with
// the check, right before the quiesce, and from the return on. watch is told of
// every action once it has begun.
func seen(t *testing.T, spec TaskSpec, first, second, back looked, watch ...func(*Task, Action)) (task *Task, history []event.Status, acts []ActionKind) {
	t.Helper()
	spec.ID, spec.Device, spec.Domain, spec.Destinations = "t", "gw", "orders", []Destination{{Name: "file.a"}}
	spec.Activity.Name, spec.Activity.Quiesce = "x", QuiesceDomain
	spec.Timeouts = Timeouts{Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: time.Minute, Store: time.Hour, Healthy: 5 * time.Minute}
	task = NewTask(spec)
	now, down := epoch, false
	history = append(task.Queue(now), task.Ready(now)...)
	history = append(history, task.Dispatch(now)...)
	state := func() sdk.QuiesceReport {
		if down {
			return *states(sdk.StateQuiesced, "orders")
		}
		return *states(normal, "orders")
	}
	held := map[ActionKind]bool{}
	for task.Final() == nil {
		as := slices.DeleteFunc(task.Pending(), func(a Action) bool { return held[a.Kind] })
		a := slices.MinFunc(as, func(a, b Action) int { return a.NotBefore.Compare(b.NotBefore) })
		acts = append(acts, a.Kind)
		if a.NotBefore.After(now) {
			now = a.NotBefore
		}
		if a.Once() {
			task.Apply(event.Event{Kind: event.Started, Time: now, Action: a.String()})
		}
		for _, f := range watch {
			f(task, a)
		}
		e := event.Event{Kind: event.Finished, Time: now, Action: a.String(), Result: &event.Result{}}
		read := func(l looked) { e.Result.Health, e.Failure = l.report, l.failure }
		switch a.Kind {
		case ActLock, ActPermit:
			held[a.Kind] = true
		case ActQuiesce, ActUnquiesce:
			down = a.Kind == ActQuiesce
		case ActHealth:
			read(first)
		case ActHealthAgain:
			read(second)
		case ActHealthBack:
			read(back)
		case ActPrepare:
			e.Result.Prepared = &event.Prepared{Stamp: "s"}
		case ActCheck, ActRecheck:
			e.Result.Check = &sdk.CheckReport{Quiesce: state(), Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted}}
		case ActCapture:
			e.Result.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "a"}}}
		case ActStore, ActManifest:
			if task.destination("file.a").waits() {
				task.letStore("file.a", now)
			}
			e.Result.Store = &sdk.StoreReport{Durable: true, ModeKept: true}
		case ActScript:
			e.Result.Script = &sdk.RunReport{}
		default:
			r := state()
			e.Result.Quiesce, e.Result.Destination = &r, &sdk.DestinationReport{Free: -1}
		}
		history = append(history, task.Apply(e)...)
	}
	return task, history, acts
}

func TestWhatIsReadOfObjectsBeforeTheQuiesceDecidesWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	lost := looked{failure: failure.New(failure.Denied, failure.NotPermitted, "not allowed")}
	well := objects("orders", "+Service api", "+Handler in")
	for name, c := range map[string]struct {
		first, second, back looked
		code                status.Code
		says                []string // the message and the warnings, in their order
	}{
		"well":                                 {well, well, well, status.Success, nil},
		"one is not up again":                  {well, well, objects("orders", "+Service api", "-Handler in"), status.UnquiesceNotHealthy, []string{"domain orders of gw IS IN SERVICE AGAIN, AND NOT HEALTHY"}},
		"it cannot be read after":              {well, well, lost, status.UnquiesceNotHealthy, []string{"the objects cannot be read (not allowed)"}},
		"down before, and still":               {objects("orders", "+Service api", "-Handler in"), objects("orders", "+Service api", "-Handler in"), objects("orders", "+Service api", "-Handler in"), status.Success, []string{"down before the quiesce: Handler in (domain orders: down)"}},
		"it went down before":                  {well, objects("orders", "+Service api", "-Handler in"), objects("orders", "+Service api", "-Handler in"), status.Success, []string{"up in one of two readings before the quiesce, and therefore not waited for after it: Handler in (domain orders)"}},
		"it came up before, and is down after": {objects("orders", "+Service api", "-Handler in"), well, objects("orders", "+Service api", "-Handler in"), status.Success, []string{"up in one of two readings", "down since the quiesce, and not waited for: Handler in"}},
		"disabled before":                      {objects("orders", "+Service api", "dHandler in"), objects("orders", "+Service api", "dHandler in"), objects("orders", "+Service api", "dHandler in"), status.Success, nil},
		"disabled meanwhile":                   {well, well, objects("orders", "+Service api", "dHandler in"), status.Success, []string{"down since the quiesce, and not waited for: Handler in"}},
		"another object is down after":         {well, well, objects("orders", "+Service api", "+Handler in", ".LogTarget syslog"), status.Success, []string{"down since the quiesce, and not waited for: LogTarget syslog"}},
		"another object was down before":       {objects("orders", "+Service api", ".LogTarget syslog"), objects("orders", "+Service api", ".LogTarget syslog"), objects("orders", "+Service api", ".LogTarget syslog"), status.Success, []string{"down before the quiesce: LogTarget syslog"}},
		"the first reading fails":              {lost, well, objects("orders", "+Service api", "-Handler in"), status.UnquiesceNotHealthy, []string{"Handler in (domain orders: down)"}},
		"the second reading leaves it out":     {well, unreadable("orders"), objects("orders", "+Service api", "-Handler in"), status.UnquiesceNotHealthy, []string{"Handler in (domain orders: down)"}},
		"no reading comes":                     {lost, lost, lost, status.Success, []string{"which objects were up before the quiesce could not be read: not allowed; that domain orders of gw came back healthy is not proven"}},
		"no reading has the domain":            {unreadable("orders"), unreadable("orders"), well, status.Success, []string{"could not be read: domain orders (boom); that domain orders of gw came back healthy is not proven"}},
		"the device tells nothing":             {looked{}, looked{}, looked{}, status.Success, []string{"the device did not tell them"}},
		"one is quiesced by hand":              {objects("orders", "+Service api", "qHandler in"), well, well, status.PreChecksFoundQuiescedObject, []string{"holds objects that are quiesced: Handler in (domain orders); nothing was sent"}},
		"one is quiesced by hand meanwhile":    {well, objects("orders", "+Service api", "qHandler in"), well, status.PreChecksFoundQuiescedObject, []string{"nothing was sent"}},
		"the login is refused":                 {looked{failure: failure.New(failure.Denied, failure.BadCredentials, "refused")}, well, well, status.PreChecksCredentialRefused, []string{"refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task, history, acts := seen(t, TaskSpec{}, c.first, c.second, c.back)
			final := task.Final()
			if status.Code(final.Code) != c.code {
				t.Fatalf("it ended in %s: %s; %s", final.Code, final.Message, codes(history))
			}
			says := final.Warnings
			if c.code != status.Success {
				says = append([]string{final.Message}, says...)
			}
			if len(says) != len(c.says) {
				t.Fatalf("it says %q, want %d texts", says, len(c.says))
			}
			for i, want := range c.says {
				if !strings.Contains(says[i], want) {
					t.Errorf("%q does not say %q", says[i], want)
				}
			}
			refused := c.code == status.PreChecksFoundQuiescedObject || c.code == status.PreChecksCredentialRefused
			if sent := slices.Contains(acts, ActQuiesce); sent == refused {
				t.Errorf("a quiesce was sent: %v", sent)
			}
			if down := c.code == status.UnquiesceNotHealthy; task.MayBeDown() != down || task.MayBeDown() != (len(task.Obligations()) > 0) {
				t.Errorf("owed: %+v", task.Obligations())
			}
		})
	}
}

// TestWhatBeforeQuiesceQuiescesIsNobodysByHand: draining is what it is for.
func TestWhatBeforeQuiesceQuiescesIsNobodysByHand(t *testing.T) {
	t.Parallel()
	well, drained := objects("orders", "+Service api", "+Handler in"), objects("orders", "+Service api", "qHandler in")
	spec := TaskSpec{Activity: Activity{BeforeQuiesce: &Script{Address: "exec.drain"}, AfterUnquiesce: &Script{Address: "exec.rejoin"}}}
	task, history, _ := seen(t, spec, well, drained, well)
	if status.Code(task.Final().Code) != status.Success {
		t.Errorf("it ended in %s: %s", task.Final().Code, codes(history))
	}
	task, history, _ = seen(t, spec, drained, drained, well)
	if status.Code(task.Final().Code) != status.PreChecksFoundQuiescedObject {
		t.Errorf("it ended in %s: %s", task.Final().Code, codes(history))
	}
}

// TestTrafficIsNotLedToAnUnhealthyTarget: after_unquiesce waits for the return.
func TestTrafficIsNotLedToAnUnhealthyTarget(t *testing.T) {
	t.Parallel()
	well := objects("orders", "+Service api")
	task, history, _ := seen(t, TaskSpec{Activity: Activity{AfterUnquiesce: &Script{Address: "exec.rejoin"}}}, well, well, objects("orders", "-Service api"))
	for _, s := range history {
		if status.Code(s.Code) == status.WaitingForAfterUnquiesceScript {
			t.Errorf("after_unquiesce was run: %s", codes(history))
		}
	}
	if !task.OwesRejoin() || !slices.ContainsFunc(task.Final().Warnings, func(w string) bool { return strings.Contains(w, "did not come back healthy") }) {
		t.Errorf("owed: %+v, warnings: %q", task.Obligations(), task.Final().Warnings)
	}
}

// TestNothingIsReadOfObjectsWithoutAQuiesce: there is nothing to compare.
func TestNothingIsReadOfObjectsWithoutAQuiesce(t *testing.T) {
	t.Parallel()
	well := objects("orders", "+Service api")
	count := func(acts []ActionKind) (n int) {
		for _, a := range acts {
			if a == ActHealth || a == ActHealthAgain || a == ActHealthBack {
				n++
			}
		}
		return n
	}
	_, _, acts := seen(t, TaskSpec{}, well, well, well)
	if n := count(acts); n != 3 {
		t.Errorf("with a quiesce: %d readings", n)
	}
	spec := TaskSpec{Device: "gw", Domain: "default", Activity: Activity{Quiesce: QuiesceDomain}, Timeouts: Timeouts{Healthy: time.Minute}}
	if NewTask(spec).surveys() {
		t.Error("the default domain is looked at")
	}
}

// TestALongListIsCut: a message names some, and says how many more there are.
func TestALongListIsCut(t *testing.T) {
	t.Parallel()
	names := strings.Split("a b c d e f g h i j k l", " ")
	if d := cmp.Diff("a, b, c, d, e, f, g, h, i, j, and 2 more", listed(names)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("a, b", listed(names[:2])); d != "" {
		t.Error(d)
	}
}

// TestWhatForbidsAQuiesceIsReadAfterTheObjects: a gateway may take minutes to
// tell its objects, and its state is then not that of minutes ago.
func TestWhatForbidsAQuiesceIsReadAfterTheObjects(t *testing.T) {
	t.Parallel()
	well := objects("orders", "+Service api")
	_, _, acts := seen(t, TaskSpec{Activity: Activity{PreScript: &Script{Address: "exec.pre"}}}, well, well, well)
	health, recheck, quiesce := slices.Index(acts, ActHealthAgain), slices.Index(acts, ActRecheck), slices.Index(acts, ActQuiesce)
	if health < 0 || recheck < health || quiesce < recheck {
		t.Errorf("in the order %v", acts)
	}
}
