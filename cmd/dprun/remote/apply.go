package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

const (
	// startPatience is how long to keep trying to start a run while no answer comes.
	startPatience = time.Minute
	// lostPatience is how long to keep looking for a run after the server stops
	// answering.
	lostPatience = 10 * time.Minute
	// lookEvery is the longest pause between two questions whether the run has ended.
	// They are asked independently of the run's events.
	lookEvery = 15 * time.Second
	lookFirst = time.Second // the first such pause
	// resultPatience is how long to wait for the result after the run's end was
	// reported.
	resultPatience = 3 * time.Second
	// listenPatience is how long to wait for the stream of events before starting the
	// run.
	listenPatience = 5 * time.Second
)

// ApplyRequest describes the run to start of a plan that a server serves.
type ApplyRequest struct {
	PlanRef
	Only   []string
	Change string
	Sink   event.Sink // receives what the run publishes
	// Confirm is asked before a plan that quiesces is started; nil: the caller has
	// already agreed.
	Confirm func(report.Disruption) error
	// Signals delivers the names of stop signals. At the first one the server is asked
	// to cancel the run; at the second one this program stops following it.
	Signals <-chan string
	Asked   context.Context   // ends with the first signal
	Say     func(text string) // tells a person what is happening
}

// Apply starts a run and follows it to its end. The exit code of the result is that of
// the run.
func (c *Client) Apply(ctx context.Context, q ApplyRequest) (*report.Result, error) {
	p, err := c.plan(q.Asked, q.PlanRef)
	if err != nil {
		return nil, err
	}
	if q.Confirm != nil && len(p.Quiesces) > 0 {
		if d := c.disruption(q.Asked, p, q.Only); len(d.Activities) > 0 {
			if err := q.Confirm(d); err != nil {
				return nil, err
			}
		}
	}
	if q.Asked.Err() != nil {
		return nil, context.Cause(q.Asked)
	}
	f := &follower{client: c, q: q, begun: make(chan struct{}), seen: map[string]int{}, events: make(chan report.LiveEvent), broken: make(chan error)}
	streaming, stop := context.WithCancel(ctx)
	listening, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); f.listen(streaming, sync.OnceFunc(func() { close(listening) })) }()
	defer func() {
		stop()
		<-done
	}()
	select { // a short run would end before anybody follows it
	case <-listening:
	case <-time.After(listenPatience):
	case <-q.Asked.Done():
		return nil, context.Cause(q.Asked)
	}
	started, err := c.start(ctx, p, q)
	if err != nil {
		return nil, err
	}
	f.run, f.heard = started.Run, time.Now()
	close(f.begun)
	return f.follow(ctx)
}

// disruption returns what a run may take out of service, as far as the plan alone
// tells. If the server does not answer, it returns all activities of the plan that
// quiesce.
func (c *Client) disruption(ctx context.Context, p report.ServedPlan, only []string) report.Disruption {
	d := report.Disruption{Plan: p.Plan, Activities: p.Quiesces}
	var preview report.Preview
	v := query("file", p.File)
	if len(only) > 0 {
		v["only"] = only
	}
	if err := c.call(ctx, request{doing: "ask what plan " + p.Plan + " quiesces", method: http.MethodGet, path: "/plans/" + url.PathEscape(p.Plan) + "/preview", query: v, into: &preview, holds: "tasks"}); err != nil {
		return d
	}
	d.Activities = nil
	for _, t := range preview.Tasks {
		if !slices.Contains(p.Quiesces, t.Activity) {
			continue
		}
		if !slices.Contains(d.Activities, t.Activity) {
			d.Activities = append(d.Activities, t.Activity)
		}
		if !slices.Contains(d.Devices, t.Device) {
			d.Devices = append(d.Devices, t.Device)
		}
	}
	return d
}

// start starts the run. All tries carry the same key, so that the server starts one run
// only.
func (c *Client) start(ctx context.Context, p report.ServedPlan, q ApplyRequest) (started report.Started, err error) {
	body := struct {
		Plan   string   `json:"plan"`
		File   string   `json:"file,omitempty"`
		Only   []string `json:"only,omitempty"`
		Change string   `json:"change,omitempty"`
	}{p.Plan, p.File, q.Only, q.Change}
	var reply json.RawMessage
	ask := request{doing: "start plan " + p.Plan, method: http.MethodPost, path: "/runs", header: map[string]string{"Idempotency-Key": rand.Text()}, body: body, into: &reply, holds: "by", most: startPatience / 2}
	pause := backoff{}
	for begun := time.Now(); ; {
		err = c.call(ctx, ask)
		if u := (unanswered{}); !errors.As(err, &u) || time.Since(begun) > startPatience || !pause.wait(ctx, q.Signals) {
			break
		}
	}
	if u := (unanswered{}); errors.As(err, &u) {
		err = &runner.Error{ExitCode: 1, Err: fmt.Errorf("%w. Whether the run has begun is not known: `dprun --server %s runs list` says so", err, c.Server())}
	}
	if err != nil {
		return started, err
	}
	var waits report.Approval
	if json.Unmarshal(reply, &waits) == nil && waits.State == report.ApprovalWaits {
		return started, &runner.Error{ExitCode: runner.ExitWaits, Err: fmt.Errorf("start plan %s at server %s: %w", p.Plan, c.Server(), &runner.Waits{Approval: waits})}
	}
	if err := json.Unmarshal(reply, &started); err != nil || started.Run == "" {
		return started, c.failed(ask.doing, errors.New("its answer cannot be read: it has no run"), c.otherVersion())
	}
	return started, nil
}

// backoff is the growing pause between tries.
type backoff struct{ last time.Duration }

// wait sleeps before the next try. It returns false if somebody asks to stop.
func (b *backoff) wait(ctx context.Context, stop <-chan string) bool {
	b.last = min(max(2*b.last, time.Second/2), 10*time.Second)
	t := time.NewTimer(b.last)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
	case <-ctx.Done():
	}
	return false
}

// follower follows one run. Its state from seen on belongs to the loop in follow.
type follower struct {
	client *Client
	q      ApplyRequest
	begun  chan struct{} // closed once run is set
	run    string
	events chan report.LiveEvent
	broken chan error // an error for each time that the stream ended

	seen    map[string]int // by task: the number of the last status that was shown
	told    bool           // the beginning of the run was shown
	missed  bool           // some statuses must be read from the journal
	cut     bool           // there is no stream of events at the moment
	summary *event.Summary
	result  *report.Result
	heard   time.Time // when the server last answered
	asked   int       // how often somebody asked to stop
	failed  bool      // the server did not accept the request to stop
}

// follow shows the run until it ends.
func (f *follower) follow(ctx context.Context) (*report.Result, error) {
	pause := lookFirst
	look := time.NewTimer(pause)
	defer look.Stop()
	for {
		select {
		case e := <-f.events:
			f.heard, pause, f.cut = time.Now(), lookEvery, false
			f.take(e)
			if f.result != nil {
				return f.over(ctx, report.Started{ExitCode: f.result.ExitCode})
			}
			if e.End != nil {
				look.Reset(resultPatience)
			}
		case err := <-f.broken:
			if !passing(err) && statusIn(err) != http.StatusNotFound {
				f.q.Say(fmt.Sprintf("%v; the run goes on at the server, and it is looked at every %s", err, lookEvery))
			}
			f.missed, f.cut = true, true
		case signal := <-f.q.Signals:
			if err := f.stop(ctx, signal); err != nil {
				return nil, err
			}
		case <-look.C:
			look.Reset(pause)
			pause = min(2*pause, lookEvery)
			var st report.Started
			err := f.client.call(ctx, request{doing: "look at run " + f.run, method: http.MethodGet, path: runPath(f.run) + "/request", into: &st, holds: "run"})
			switch {
			case err == nil:
				if f.heard = time.Now(); !st.Ended.IsZero() {
					return f.over(ctx, st)
				}
				if f.cut {
					_ = f.catchUp(ctx) // the next look tries again
				}
			case !passing(err), time.Since(f.heard) > lostPatience:
				return nil, &runner.Error{ExitCode: 1, Err: fmt.Errorf("%w. How run %s ends is not known here: look again with `%s`", err, f.run, f.again())}
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// again returns the command that shows the run later.
func (f *follower) again() string {
	return fmt.Sprintf("dprun --server %s runs show %s", f.client.Server(), f.run)
}

// listen keeps a stream of events open. The first stream covers all runs, because the
// wanted run has not begun. After a cut connection the stream covers that run alone.
func (f *follower) listen(ctx context.Context, listening func()) {
	var last int64
	run := ""
	pause := backoff{}
	for ctx.Err() == nil {
		err := f.client.streams(ctx, run, last, listening, func(e report.LiveEvent) {
			pause.last = 0
			last = max(last, e.Seq)
			select {
			case f.events <- e:
			case <-ctx.Done():
			}
		})
		listening()
		select {
		case <-f.begun:
			run = f.run
		case <-ctx.Done():
			return
		}
		select {
		case f.broken <- err:
		case <-ctx.Done():
			return
		}
		if !passing(err) && statusIn(err) != http.StatusNotFound || !pause.wait(ctx, nil) { // 404: a run that is about to begin is not known yet
			return
		}
	}
}

// take shows one event.
func (f *follower) take(e report.LiveEvent) {
	switch {
	case e.Kind == report.LiveGap:
		f.missed = true
	case e.Run != f.run: // also events without a run: another plan that was not begun
	case e.Begun != nil:
		f.begin(*e.Begun)
	case e.Status != nil:
		f.status(*e.Status)
	case e.Progress != nil:
		f.q.Sink.Progress(*e.Progress)
	case e.Log != nil:
		f.q.Sink.Log(*e.Log)
	case e.Settled != nil:
		f.q.Sink.Settled(*e.Settled)
	case e.Summary != nil:
		f.summary = e.Summary // shown last
	case e.Result != nil:
		f.result = e.Result
	}
}

func (f *follower) begin(i event.RunInfo) {
	if !f.told {
		f.told = true
		f.q.Sink.Run(i)
	}
}

// status shows a status once and in order. If statuses before it are missing, it waits
// until they are read from the journal.
func (f *follower) status(s event.Status) {
	switch last := f.seen[s.Task]; {
	case s.Seq <= last:
	case s.Seq > last+1:
		f.missed = true
	default:
		f.seen[s.Task] = s.Seq
		f.q.Sink.Status(s)
	}
}

// stop reacts to a signal.
func (f *follower) stop(ctx context.Context, signal string) error {
	if f.asked++; f.asked > 1 {
		return &runner.Error{ExitCode: runner.Stopped(signal).ExitCode, Err: fmt.Errorf("%s again: run %s is not followed any more; it was asked to stop, and ends at the server. Look again with `%s`", signal, f.run, f.again())}
	}
	f.q.Say(fmt.Sprintf("%s: the server is asked to cancel run %s; it brings back what is quiesced, and that is waited for. Once more leaves the run to the server", signal, f.run))
	body := struct {
		Reason string `json:"reason"`
	}{signal + " at the command line"}
	var reply struct{ Waits *report.Approval }
	err := f.client.call(ctx, request{doing: "cancel run " + f.run, method: http.MethodPost, path: runPath(f.run) + "/cancel", body: body, into: &reply, most: 20 * time.Second})
	switch {
	case err == nil && reply.Waits != nil:
		f.q.Say((&runner.Waits{Approval: *reply.Waits}).Error() + ". The run goes on until then. Once more leaves it to the server")
	case statusIn(err) == http.StatusConflict: // it is being cancelled, or is over
		f.q.Say(err.Error())
	case err != nil && !f.failed:
		f.asked, f.failed = 0, true // so that it can be asked again, once
		f.q.Say(fmt.Sprintf("%v; the run goes on. Once more asks again", err))
	case err != nil:
		f.q.Say(fmt.Sprintf("%v; the run goes on. Once more leaves it to the server", err))
	}
	return nil
}

// over shows the remaining statuses and returns the result of the run.
func (f *follower) over(ctx context.Context, st report.Started) (*report.Result, error) {
	if err := f.catchUp(ctx); err != nil && f.summary == nil {
		if f.result == nil || f.result.Summary != nil {
			return nil, &runner.Error{ExitCode: cmp.Or(st.ExitCode, 1), Err: fmt.Errorf("%w. Run %s is over: look again with `%s`", err, f.run, f.again())}
		}
	}
	if f.result != nil && f.result.Summary != nil {
		f.summary = f.result.Summary
	}
	if f.summary != nil {
		f.q.Sink.Summary(*f.summary)
	}
	if f.result != nil {
		return f.result, nil
	}
	res := &report.Result{ExitCode: st.ExitCode, Summary: f.summary}
	if f.summary == nil && st.Message != "" {
		res.Failure = &report.Failure{Message: st.Message, ExitCode: st.ExitCode}
	}
	left, err := f.client.Owed(ctx)
	if err != nil {
		res.Unknown = &report.Failure{Message: err.Error(), ExitCode: runner.CodeOf(err)}
	} else {
		res.Owed, res.Unknown = left.Owed, left.Unknown
	}
	return res, nil
}

// place orders statuses of the same instant: a run begins before its tasks and ends
// after them.
func place(s event.Status) int {
	switch {
	case s.Task != "":
		return 0
	case s.Final:
		return 1
	}
	return -1
}

// catchUp shows the statuses that no event delivered, and builds a summary if none
// arrived. It does nothing for a run that has not begun.
func (f *follower) catchUp(ctx context.Context) error {
	if !f.missed && f.summary != nil {
		return nil
	}
	d, err := f.client.Run(ctx, f.run)
	if statusIn(err) == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	s := &event.Summary{Run: d.ID, Plan: d.Plan, Only: d.Only, Code: d.Code, Started: d.Started, Ended: d.Ended, Succeeded: d.Succeeded}
	if d.ExitCode != nil {
		s.ExitCode = *d.ExitCode
	}
	all := slices.Clone(d.History)
	if n := len(d.History); n > 0 {
		s.Message, s.Warnings = d.History[n-1].Message, d.History[n-1].Warnings
	}
	for t, err := range d.Details {
		if err != nil {
			return err
		}
		all = append(all, t.History...)
		addTo(s, t)
	}
	f.begin(event.RunInfo{Run: d.ID, Plan: d.Plan, Only: d.Only, Started: d.Started})
	slices.SortStableFunc(all, func(a, b event.Status) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(place(a), place(b)), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Seq, b.Seq))
	})
	for _, st := range all {
		if st.Seq > f.seen[st.Task] {
			f.seen[st.Task] = st.Seq
			f.q.Sink.Status(st)
		}
	}
	if f.summary == nil && d.Final {
		f.summary = s
		var e event.Evidence
		if f.client.call(ctx, request{doing: "look for the record of run " + f.run, method: http.MethodGet, path: "/evidence/" + url.PathEscape(f.run), into: &e, holds: "sequence"}) == nil {
			s.Evidence = &e // without an answer the summary lacks the line about evidence
		}
	}
	return nil
}
