package runner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/script"
)

const (
	// notifyLimit limits one notification: a run that has ended waits no longer for
	// it.
	notifyLimit = time.Minute
	// unsettledLimit limits a notification that delays the return of other gateways.
	unsettledLimit = 20 * time.Second
	// toldAtMost is the most tasks that a notification lists.
	toldAtMost = 500
)

// notifier notifies people about one run, by the scripts of its plan's notify
// blocks. It sends urgent notifications beside the run, which does not wait for
// them. A notification that fails is only a warning.
type notifier struct {
	blocks []record.Notify
	run    event.RunInfo
	types  map[string]string // by name of the activity
	send   func(ctx context.Context, address string, c script.Context) error
	warn   func(text string)
	owed   func(ctx context.Context) []report.Owed
	now    func() time.Time
	limit  time.Duration
	ctx    context.Context // ends when nobody waits any more
	end    context.CancelFunc

	mu       sync.Mutex
	seen     map[string]bool
	waiting  []event.Status // critical statuses that were not sent yet
	telling  bool
	done     sync.WaitGroup
	warnings []string
}

// notifier returns the notifier of a run; nil: its plan notifies nobody.
func (r *operation) notifier(ctx context.Context, rec record.Run, started time.Time, send func(context.Context, string, script.Context) error) *notifier {
	if len(rec.Notify) == 0 {
		return nil
	}
	n := &notifier{blocks: rec.Notify, run: event.RunInfo{Run: rec.Spec.ID, Plan: rec.Spec.Plan, Started: started}, types: map[string]string{}, send: send, now: r.Clock.Now, limit: notifyLimit,
		warn: func(text string) { r.output(rec.Spec.ID, "", "notify", text) },
		owed: func(ctx context.Context) []report.Owed { return r.owed(ctx).Owed }}
	n.ctx, n.end = context.WithCancel(context.WithoutCancel(ctx))
	for _, a := range rec.Spec.Activities {
		n.types[a.Name] = a.Type
	}
	return n
}

// sink returns a sink that passes everything on, and notices critical statuses.
func (n *notifier) sink(s *patientSink) event.Sink {
	if n == nil {
		return s
	}
	return notifyingSink{s, n}
}

type notifyingSink struct {
	*patientSink
	notifier *notifier
}

func (s notifyingSink) Status(st event.Status) { s.Statuses([]event.Status{st}) }

// Statuses implements [event.StatusesSink].
func (s notifyingSink) Statuses(all []event.Status) {
	s.notifier.see(all)
	s.patientSink.Statuses(all)
}

// see sends notifications about critical statuses, each once. Those that arrive
// during a notification are sent together in the next one.
func (n *notifier) see(all []event.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range all {
		e, _ := status.Lookup(status.Code(s.Code))
		key := s.Task + " " + s.Code
		if e.Class != status.ClassCritical || n.seen[key] || s.Task == "" && len(n.seen) > 0 { // the run's own status repeats it
			continue
		}
		if n.seen == nil {
			n.seen = map[string]bool{}
		}
		n.seen[key] = true
		n.waiting = append(n.waiting, s)
	}
	if len(n.waiting) > 0 && !n.telling {
		n.telling = true
		n.done.Go(n.tellWaiting)
	}
}

func (n *notifier) tellWaiting() {
	for {
		n.mu.Lock()
		now := n.waiting
		n.waiting, n.telling = nil, len(now) > 0
		n.mu.Unlock()
		if len(now) == 0 {
			return
		}
		n.tell(n.critical(now))
	}
}

// critical returns the notification about statuses that need a person now.
func (n *notifier) critical(all []event.Status) script.Context {
	first := sha256.Sum256([]byte(all[0].Task + " " + all[0].Code)) // unique among the notifications of the run
	c := n.about(script.Critical, n.run.Run+"-critical-"+hex.EncodeToString(first[:4]))
	c.Status, c.Message = all[0].Code, all[0].Message
	codes := map[string]int{}
	devices := map[string]bool{}
	for _, s := range all {
		codes[s.Code]++
		devices[s.Device] = true
		if s.Task == "" {
			continue
		}
		c.Tasks = append(c.Tasks, script.Task{Task: s.Task, Activity: s.Activity, Type: n.types[s.Activity], Device: s.Device, Domain: s.Domain, Status: s.Code, Message: s.Message})
	}
	c.Notice.Causes = causes(n.run.Run, codes, nil)
	if len(c.Tasks) > toldAtMost {
		c.Notice.LeftOut, c.Tasks = len(c.Tasks)-toldAtMost, c.Tasks[:toldAtMost]
	}
	c.Notice.Owed = owedOf(slices.DeleteFunc(n.owed(n.ctx), func(o report.Owed) bool { return !devices[o.Device] && !devices[""] }))
	c.Notice.Commands = []string{"dprun owed", "dprun runs show " + n.run.Run}
	return c
}

// ended notifies about the end of a run, after all earlier notifications. A
// request to stop cuts that short; stopped is its signal, which ended has
// consumed. The warnings name all notifications that failed.
func (n *notifier) ended(s *event.Summary, stop <-chan string) (warnings []string, stopped string) {
	if n == nil {
		return nil, ""
	}
	told := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		select {
		case stopped = <-stop:
		case <-told:
		}
		n.end()
	})
	n.done.Wait()
	what := eventOf(s)
	if slices.ContainsFunc(n.blocks, func(b record.Notify) bool { return slices.Contains(b.On, what) }) {
		n.tell(n.whole(what, s))
	}
	close(told)
	listening.Wait()
	return n.warnings, stopped
}

// eventOf returns the event as which the end of a run is notified.
func eventOf(s *event.Summary) script.Event {
	switch {
	case s.ExitCode == 0 && s.ProcessExit == 0:
		return script.Succeeded
	case s.Succeeded > 0 && s.Succeeded < len(s.Tasks):
		return script.Partial
	}
	return script.Failed
}

// whole returns the notification about a run that has ended.
func (n *notifier) whole(what script.Event, s *event.Summary) script.Context {
	c := n.about(what, n.run.Run+"-"+string(what))
	c.Status, c.Message = s.Code, s.Message
	exit := cmp.Or(s.ProcessExit, s.ExitCode)
	c.Notice.Ended, c.Notice.ExitCode = s.Ended, &exit
	c.Notice.Counts = &script.Counts{Succeeded: s.Succeeded, Failed: s.Failed, Cancelled: s.Cancelled, Skipped: s.Skipped, Bytes: s.Bytes}
	if s.Evidence != nil {
		c.Notice.Evidence = fmt.Sprintf("%d:%s", s.Evidence.Sequence, s.Evidence.Digest)
	}
	codes := map[string]int{}
	tasks := slices.Clone(s.Tasks)
	for _, t := range tasks {
		codes[t.Code]++
	}
	slices.SortStableFunc(tasks, func(a, b event.TaskResult) int { return cmp.Compare(rankOf(a.Code), rankOf(b.Code)) })
	if len(tasks) > toldAtMost {
		c.Notice.LeftOut, tasks = len(tasks)-toldAtMost, tasks[:toldAtMost]
	}
	for _, t := range tasks {
		c.Tasks = append(c.Tasks, script.Task{Task: t.Task, Activity: t.Activity, Type: n.types[t.Activity], Device: t.Device, Domain: t.Domain, Status: t.Code, Message: t.Message})
	}
	c.Notice.Causes = causes(n.run.Run, codes, []string{s.Code})
	c.Notice.Owed = owedOf(n.owed(n.ctx))
	c.Notice.Commands = []string{"dprun runs show " + n.run.Run}
	if len(c.Notice.Owed) > 0 {
		c.Notice.Commands = append(c.Notice.Commands, "dprun owed")
	}
	return c
}

func (n *notifier) about(what script.Event, id string) script.Context {
	host, _ := os.Hostname() // a notification works without a host name
	return script.Context{Version: 1, Hook: "notify", Run: n.run.Run, Plan: n.run.Plan,
		Notice: &script.Notice{Event: what, ID: id, Time: n.now(), Host: host, Started: n.run.Started}}
}

// rankOf orders statuses by their urgency for the reader.
func rankOf(code string) int {
	e, _ := status.Lookup(status.Code(code))
	return slices.Index([]status.Class{status.ClassCritical, status.ClassFailed, status.ClassInvalid, status.ClassCancelled, status.ClassSkipped, status.ClassSuccess}, e.Class)
}

// causes returns the statuses that are not a success, the gravest first, with
// what to do. own are codes of the run itself.
func causes(run string, codes map[string]int, own []string) (out []script.Cause) {
	for _, code := range own {
		if _, also := codes[code]; !also {
			codes[code] = 0
		}
	}
	for code, count := range codes {
		e, known := status.Lookup(status.Code(code))
		if !known || e.Class == status.ClassSuccess || e.Class == status.ClassInterim {
			continue
		}
		out = append(out, script.Cause{Status: code, Class: string(e.Class), Means: e.Meaning, Do: strings.ReplaceAll(e.Action, " RUN`", " "+run+"`"), Count: count})
	}
	slices.SortFunc(out, func(a, b script.Cause) int {
		return cmp.Or(cmp.Compare(rankOf(a.Status), rankOf(b.Status)), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Status, b.Status))
	})
	return out
}

func owedOf(all []report.Owed) (out []script.Owed) {
	for _, o := range all {
		out = append(out, script.Owed{Run: o.Run, Kind: o.Kind, Device: o.Device, Domain: o.Domain, Since: o.Since, DeviceCommands: o.DeviceCommands, Commands: o.Commands, Held: o.Held})
	}
	return out[:min(len(out), toldAtMost)]
}

// tell sends a notification by all scripts for its event, at the same time.
func (n *notifier) tell(c script.Context) {
	var all sync.WaitGroup
	for _, b := range n.blocks {
		if !slices.Contains(b.On, c.Notice.Event) {
			continue
		}
		all.Go(func() {
			limit := n.limit
			if t := b.Script.Timeout; t > 0 {
				limit = min(limit, t)
			}
			ctx, cancel := context.WithTimeout(n.ctx, limit)
			defer cancel()
			if err := n.send(ctx, b.Address, c); err != nil {
				n.failed(c.Notice.Event, b.Address, err)
			}
		})
	}
	all.Wait()
}

func (n *notifier) failed(what script.Event, address string, err error) {
	text := fmt.Sprintf("the notification %q by script %s failed: %v; the run itself is not affected. Tell the people who wait for the message, then correct the script or what it needs", what, address, err)
	n.warn(text)
	n.mu.Lock()
	n.warnings = append(n.warnings, text)
	n.mu.Unlock()
}

// tellEnd notifies about the end of a run. A request to stop that arrives
// meanwhile also stops whatever would begin next.
func (r *operation) tellEnd(n *notifier, s *event.Summary) {
	warnings, stopped := n.ended(s, r.requests)
	if s.Warnings = warnings; stopped != "" {
		r.stopped = stopped
	}
}

// tellUnsettled notifies about gateways of a dead run that did not come back at
// the first try. It is for runs that nobody finishes; otherwise the process that
// finishes the run notifies about them.
func (r *operation) tellUnsettled(ctx context.Context, run journal.Run, owed []settle.Outstanding, how []event.Recovered) {
	var rec record.Run
	if err := json.Unmarshal(run.Spec, &rec); err != nil {
		return // the process that replays the run reports this
	}
	var bad []event.Status
	for _, o := range owed {
		i := slices.IndexFunc(how, func(h event.Recovered) bool { return h.Task == o.Task && h.ID == o.ID && h.Trouble != "" })
		if o.Kind == pending.Unquiesce && o.Attempts == 0 && i >= 0 {
			bad = append(bad, event.Status{Run: o.Run, Task: o.Task, Plan: o.Plan, Device: o.Device, Domain: o.Domain, Code: string(status.UnquiesceTimeoutOccurred), Time: r.Clock.Now(), Message: how[i].Trouble})
		}
	}
	exec := r.settler.Executor(run.ID, run.Plan, rec.Dir, rec.Plan(nil, r.fresh()))
	defer exec.Close()
	if n := r.notifier(ctx, rec, run.Started, exec.Notify); n != nil && len(bad) > 0 {
		n.limit = unsettledLimit
		n.tell(n.critical(bad))
		n.end()
	}
}

// missedOf returns a function that notifies, by the plan's notify blocks, that
// the plan did not run when it was due; nil: no block asks for that. The function
// reads the secrets when it is called.
func (r *Runner) missedOf(loaded *Loaded, p *plan.Plan) func(due time.Time, times int, why string) {
	if !slices.ContainsFunc(p.Notify, func(n plan.Notify) bool { return slices.Contains(n.On, script.Missed) }) {
		return nil
	}
	rec, err := record.Of(record.NewCompiledPlan(loaded.Config, p, nil, &r.redact), lifecycle.RunSpec{Plan: p.Name})
	if err != nil {
		r.Log.Error("nobody can be notified when the plan is missed", "plan", p.Name, "error", err)
		return nil
	}
	file := originOf(loaded, p)
	return func(due time.Time, times int, why string) {
		op := r.begin(Operation{})
		exec := op.settler.Executor("", p.Name, rec.Dir, rec.Plan(nil, r.fresh()))
		defer exec.Close()
		n := op.notifier(context.Background(), rec, time.Time{}, exec.Notify)
		defer n.end()
		n.warn = func(text string) { r.Log.Error(text, "plan", p.Name) }
		n.tell(n.missed(file, due, times, why))
	}
}

// missed returns the notification about times at which the plan did not run.
func (n *notifier) missed(file string, due time.Time, times int, why string) script.Context {
	at := due.UTC().Format(time.RFC3339)
	sum := sha256.Sum256([]byte(file))
	c := n.about(script.Missed, n.run.Plan+"-"+hex.EncodeToString(sum[:4])+"-"+at+"-missed")
	c.Message = fmt.Sprintf("plan %s was due at %s and was not run: %s", n.run.Plan, at, why)
	if times > 1 {
		c.Message = fmt.Sprintf("plan %s was due %d times, the last time at %s, and was not run: %s", n.run.Plan, times, at, why)
	}
	c.Notice.Commands = []string{"dprun schedule past", "dprun coverage"}
	return c
}
