package lifecycle

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// way is a way back, however it was come to.
type way interface {
	Pending() []Action
	Finish(now time.Time, a Action, r *event.Result, f *failure.Error)
	Returned() bool
	GaveUp() bool
	Complaint() string
}

// entrances are where a way back begins at a time: in a task, after the replay
// of a run that died, and from a pending file. What holds of one holds of all.
var entrances = map[string]func(t *testing.T, spec DebtSpec, now time.Time) way{
	"in a task": func(t *testing.T, spec DebtSpec, now time.Time) way {
		task, _ := quiescing(t, spec)
		task.Apply(event.Event{Kind: event.CancelRequested, Time: now, Reason: "SIGTERM"})
		return throughTask{task.debt, task}
	},
	"after a replay": func(t *testing.T, spec DebtSpec, now time.Time) way {
		task, _ := quiescing(t, spec)
		task.Apply(event.Event{Kind: event.Interrupted, Time: now})
		return throughTask{task.debt, task}
	},
	"after a replay, on the way back": func(t *testing.T, spec DebtSpec, now time.Time) way {
		task, _ := quiescing(t, spec)
		task.Apply(event.Event{Kind: event.CancelRequested, Time: now, Reason: "SIGTERM"})
		task.Apply(event.Event{Kind: event.Interrupted, Time: now})
		return throughTask{task.debt, task}
	},
	"from a pending file": func(t *testing.T, spec DebtSpec, now time.Time) way {
		_, file := quiescing(t, spec)
		var read DebtSpec
		need.Done(t, json.Unmarshal(file, &read))
		d := NewDebt(read)
		d.Restart(now)
		return d
	},
}

// throughTask drives a way back by the events of its task.
type throughTask struct {
	*Debt
	task *Task
}

func (w throughTask) Pending() []Action {
	return slices.DeleteFunc(w.task.Pending(), func(a Action) bool { return !a.Owed() })
}

func (w throughTask) Finish(now time.Time, a Action, r *event.Result, f *failure.Error) {
	w.task.Apply(event.Event{Kind: event.Finished, Time: now, Action: a.String(), Result: r, Failure: f})
}

// quiescing walks a task to where its quiesce is on its way, and gives what its
// pending file holds.
func quiescing(t *testing.T, spec DebtSpec) (task *Task, file []byte) {
	t.Helper()
	report := &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: normal, Domains: map[string]sdk.QuiesceState{}}, Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted}}
	activity := Activity{Name: "x", Quiesce: QuiesceDomain}
	if spec.Domain == "" {
		activity.Quiesce = QuiesceDevice
		for _, d := range spec.Domains {
			report.Quiesce.Domains[d] = normal
		}
	}
	task = NewTask(TaskSpec{ID: "t", Device: spec.Device, Domain: spec.Domain, Seed: spec.Seed, Activity: activity, Destinations: []Destination{{Name: "file.a"}},
		Timeouts: Timeouts{Quiesce: time.Hour, Unquiesce: spec.Unquiesce, Grace: spec.Grace, Healthy: spec.Healthy}})
	task.Queue(spec.QuiescedAt)
	task.Ready(spec.QuiescedAt)
	task.Dispatch(spec.QuiescedAt)
	for _, a := range []string{"prepare/1", "probe/1", "check_destination/file.a/1", "lock/device", "check/1", "health/1", "health_again/1"} {
		task.Apply(event.Event{Kind: event.Finished, Time: spec.QuiescedAt, Action: a, Result: &event.Result{Check: report, Health: wellOf(spec.Up)}})
	}
	task.Apply(event.Event{Kind: event.Started, Time: spec.QuiescedAt, Action: "quiesce/1"})
	owed := task.Obligations()
	if len(owed) != 1 || owed[0].Debt == nil {
		t.Fatalf("owed: %+v; pending: %v", owed, ids(task.Pending()))
	}
	if d := cmp.Diff(spec, *owed[0].Debt); d != "" {
		t.Fatalf("another way back is owed (-want +got):\n%s", d)
	}
	file = need.Value(json.Marshal(owed[0].Debt))(t)
	return task, file
}

// wellOf is a reading that shows objects up.
func wellOf(up Objects) *sdk.HealthReport {
	r := &sdk.HealthReport{}
	for domain, names := range up {
		for _, name := range names {
			class, name, _ := strings.Cut(name, " ")
			r.Objects = append(r.Objects, sdk.ObjectHealth{Domain: domain, Class: class, Name: name, Serving: true, Up: true})
		}
	}
	return r
}

// TestAWayBackEndsAndSaysTheTruth: whatever a gateway does and however late the
// quiesce arrives, a way back ends, and only with a target in service, that no
// quiesce can reach any more, and whose objects are up again, does it say so.
func TestAWayBackEndsAndSaysTheTruth(t *testing.T) {
	t.Parallel()
	for name, enter := range entrances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			returned, gaveUp := 0, 0
			for n := range uint64(1000) {
				w := &world{t: t, rng: rand.New(rand.NewPCG(n, 3)), now: epoch, gateways: map[string]*gateway{}}
				g := &gateway{state: pick(w, normal, normal, sdk.StateQuiesced, sdk.StateQuiescing)}
				if g.state == normal && w.oneIn(2) { // else it has arrived, or never will
					g.arrives = epoch.Add(time.Duration(w.rng.Int64N(int64(latest))))
				}
				w.gateways["gw/orders"] = g
				spec := wayOfDomain
				if w.oneIn(2) {
					spec = healthyWay
				}
				spec.Seed = n
				g.well = epoch.Add(time.Duration(w.rng.IntN(1000)) * time.Second)
				if w.oneIn(20) {
					g.well = never
				}
				w.now = epoch.Add(time.Duration(w.rng.IntN(120)) * time.Second)
				b := &back{debt: enter(t, spec, w.now), now: w.now}
				settle := func(at time.Duration) {
					w.now = epoch.Add(b.began.Sub(epoch) + at)
					w.settle()
				}
				lost := failure.New(failure.Unavailable, "", "lost")
				b.refuse = func(at time.Duration) *failure.Error {
					settle(at)
					if w.oneIn(10) { // refused, or it never arrived
						return lost
					}
					if g.state != normal && !w.oneIn(15) { // else accepted and ignored
						g.begin(w, w.now, sdk.StateUnquiescing, normal)
					}
					if w.oneIn(10) {
						return lost
					}
					return nil
				}
				b.answer = func(at time.Duration) (*sdk.QuiesceReport, *failure.Error) {
					settle(at)
					switch {
					case w.oneIn(10):
						return nil, lost
					case w.oneIn(12):
						return states(sdk.StateUnknown, "orders"), nil
					}
					return states(g.state, "orders"), nil
				}
				b.health = func(at time.Duration) (*sdk.HealthReport, *failure.Error) {
					settle(at)
					if w.oneIn(10) {
						return nil, lost
					}
					r := wellOf(spec.Up)
					r.Objects[0].Up = g.up(w.now)
					return r, nil
				}
				b.run(t)
				wasUp := len(spec.Up) == 0 || g.up(b.now)
				w.now = b.now.Add(latest)
				w.settle()
				switch {
				case b.debt.Returned() && (g.state != normal || !wasUp):
					t.Fatalf("world %d: it is told back, and is %s, and up: %v", n, g.state, wasUp)
				case b.debt.Returned():
					returned++
				case b.debt.GaveUp():
					gaveUp++
				default:
					t.Fatalf("world %d: it has not ended", n)
				}
			}
			if returned < 500 || gaveUp == 0 {
				t.Errorf("%d returned and %d were given up", returned, gaveUp)
			}
		})
	}
}
