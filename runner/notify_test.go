package runner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/script"
)

// outbox is a notifier with everything that it has sent.
type outbox struct {
	*notifier
	mu   sync.Mutex
	sent []script.Context
}

func newOutbox(on []script.Event, send func(ctx context.Context, c script.Context) error) *outbox {
	o := &outbox{}
	o.notifier = &notifier{run: event.RunInfo{Run: "R", Plan: "p"}, types: map[string]string{"a": "export_domain"}, limit: time.Minute, now: time.Now, warn: func(string) {},
		blocks: []record.Notify{{On: on, Address: "mail.team"}},
		owed: func(context.Context) []report.Owed {
			return []report.Owed{{Run: "R", Device: "gw-1", Kind: "unquiesce"}, {Run: "S", Device: "gw-9", Kind: "discard"}}
		},
		send: func(ctx context.Context, _ string, c script.Context) error {
			o.mu.Lock()
			o.sent = append(o.sent, c)
			o.mu.Unlock()
			return send(ctx, c)
		}}
	o.ctx, o.end = context.WithCancel(context.Background())
	return o
}

func fine(context.Context, script.Context) error { return nil }

func TestEachCriticalStatusIsToldOnceAndThoseThatComeMeanwhileTogether(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	o := newOutbox([]script.Event{script.Critical}, func(context.Context, script.Context) error {
		begun <- struct{}{}
		<-goOn
		return nil
	})
	bad := func(device string) event.Status {
		return event.Status{Task: "a/" + device, Activity: "a", Device: device, Code: string(status.UnquiesceTimeoutOccurred), Message: "not back", Time: time.Now()}
	}
	o.see([]event.Status{{Code: string(status.QuiesceStarted), Task: "a/gw-1"}, bad("gw-1")})
	<-begun
	again := bad("gw-1")
	again.Final = true
	o.see([]event.Status{again, bad("gw-2"), bad("gw-3")}) // returns at once, because nobody waits for it
	close(goOn)
	o.see([]event.Status{{Code: string(status.RunDeviceStillQuiesced), Final: true}}) // repeats what was told
	o.done.Wait()
	var told []string
	for _, c := range o.sent {
		var devices []string
		for _, task := range c.Tasks {
			devices = append(devices, task.Device)
		}
		told = append(told, strings.Join(devices, "+"))
	}
	if !slices.Equal(told, []string{"gw-1", "gw-2+gw-3"}) {
		t.Errorf("told of %v", told)
	}
	first := o.sent[0]
	if first.Tasks[0].Type != "export_domain" || len(first.Notice.Owed) != 1 || first.Notice.Causes[0].Do == "" || first.Notice.ExitCode != nil {
		t.Errorf("got %+v %+v", first, first.Notice)
	}
	if first.Notice.ID == o.sent[1].Notice.ID {
		t.Errorf("two notifications have the ID %s", first.Notice.ID)
	}
}

func TestTheEndOfARunIsToldToThoseWhoAskForIt(t *testing.T) {
	t.Parallel()
	bad, good := event.TaskResult{Task: "a/gw-2", Device: "gw-2", Code: string(status.UnquiesceTimeoutOccurred)}, event.TaskResult{Task: "a/gw-1", Device: "gw-1", Code: string(status.Success)}
	for name, tt := range map[string]struct {
		s    event.Summary
		want script.Event
	}{
		"all succeeded":                   {event.Summary{Succeeded: 1, Tasks: []event.TaskResult{good}}, script.Succeeded},
		"some did not":                    {event.Summary{ExitCode: 3, Succeeded: 1, Failed: 1, Tasks: []event.TaskResult{good, bad}}, script.Partial},
		"none succeeded":                  {event.Summary{ExitCode: 1, Failed: 1, Tasks: []event.TaskResult{bad}}, script.Failed},
		"outside the window":              {event.Summary{ExitCode: 13}, script.Failed},
		"the post-script failed":          {event.Summary{ExitCode: 1, Succeeded: 1, Tasks: []event.TaskResult{good}}, script.Failed},
		"an earlier run owes a gateway":   {event.Summary{ExitCode: 0, ProcessExit: 16, Succeeded: 1, Tasks: []event.TaskResult{good}}, script.Failed},
		"a gateway is away, others saved": {event.Summary{ExitCode: 16, Succeeded: 1, Failed: 1, Tasks: []event.TaskResult{good, bad}}, script.Partial},
	} {
		for _, on := range script.Events() {
			o := newOutbox([]script.Event{on}, fine)
			warnings, _ := o.ended(&tt.s, nil)
			if len(warnings) > 0 || (len(o.sent) == 1) != (on == tt.want) || len(o.sent) > 1 {
				t.Errorf("%s, for %s: told %+v, warnings %v", name, on, o.sent, warnings)
			}
		}
	}
}

func TestTheEndOfARunListsWhatIsGravestFirst(t *testing.T) {
	t.Parallel()
	s := event.Summary{Code: string(status.RunPartlyFailed), ExitCode: 3, Succeeded: 1, Failed: 600}
	s.Tasks = append(s.Tasks, event.TaskResult{Device: "gw-1", Code: string(status.Success)})
	for range 599 {
		s.Tasks = append(s.Tasks, event.TaskResult{Device: "gw-2", Code: string(status.PreScriptError)})
	}
	s.Tasks = append(s.Tasks, event.TaskResult{Device: "gw-3", Code: string(status.UnquiesceTimeoutOccurred)})
	o := newOutbox([]script.Event{script.Partial}, fine)
	o.ended(&s, nil)
	c := o.sent[0]
	var causes []string
	for _, cause := range c.Notice.Causes {
		causes = append(causes, cause.Status)
		if cause.Do == "" || strings.Contains(cause.Do, " RUN`") {
			t.Errorf("%s: what to do is %q", cause.Status, cause.Do)
		}
	}
	if !slices.Equal(causes, []string{string(status.UnquiesceTimeoutOccurred), string(status.PreScriptError), string(status.RunPartlyFailed)}) {
		t.Errorf("causes %v", causes)
	}
	if len(c.Tasks) != toldAtMost || c.Notice.LeftOut != 601-toldAtMost || c.Tasks[0].Device != "gw-3" || len(c.Notice.Owed) != 2 {
		t.Errorf("%d tasks, %d left out, first %+v, owed %+v", len(c.Tasks), c.Notice.LeftOut, c.Tasks[0], c.Notice.Owed)
	}
}

// The operator learns of the failure; the run's own result does not change.
func TestANotificationThatFailsIsAWarning(t *testing.T) {
	t.Parallel()
	o := newOutbox([]script.Event{script.Failed}, func(context.Context, script.Context) error { return errors.New("no route to host") })
	s := event.Summary{ExitCode: 1, Code: string(status.RunFailed)}
	warnings, _ := o.ended(&s, nil)
	if len(warnings) != 1 || !strings.Contains(warnings[0], `the notification "failed" by script mail.team failed: no route to host; the run itself is not affected`) {
		t.Errorf("got %q", warnings)
	}
	if s.ExitCode != 1 || s.Code != string(status.RunFailed) {
		t.Errorf("the result is now %+v", s)
	}
}

func TestANotificationIsBoundedInTime(t *testing.T) {
	t.Parallel()
	o := newOutbox([]script.Event{script.Failed}, func(ctx context.Context, _ script.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	o.limit = 20 * time.Millisecond
	if warnings, _ := o.ended(&event.Summary{ExitCode: 1}, nil); len(warnings) != 1 || !strings.Contains(warnings[0], "deadline exceeded") {
		t.Errorf("got %q", warnings)
	}
}

// A run that has ended and still notifies must not keep a service from stopping.
func TestARequestToStopEndsATelling(t *testing.T) {
	t.Parallel()
	stop := make(chan string, 1)
	o := newOutbox([]script.Event{script.Failed}, func(ctx context.Context, _ script.Context) error {
		stop <- "SIGTERM"
		<-ctx.Done()
		return ctx.Err()
	})
	op := &operation{requests: stop}
	s := &event.Summary{ExitCode: 1}
	op.tellEnd(o.notifier, s)
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "canceled") {
		t.Errorf("got %q", s.Warnings)
	}
	if op.stopped != "SIGTERM" { // an earlier run was finished, so the plan must not begin
		t.Errorf("the operation goes on: stopped by %q", op.stopped)
	}
}
