package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
)

// Plugins makes configured instances out of process.
type Plugins interface {
	Source(ctx context.Context, typ string, config cty.Value) (sdk.Source, error)
	Destination(ctx context.Context, typ string, config cty.Value) (sdk.Destination, error)
	Hook(ctx context.Context, typ string, config cty.Value) (sdk.Hook, error)
}

// Endpoint is a configured thing of a plan: its plugin type and its
// configuration, secrets in plain.
type Endpoint struct {
	Type   string
	Config cty.Value
}

// Plan answers what the plan says about the things that an action names. A
// compiled plan implements it, and so does the record of an interrupted run.
type Plan interface {
	Device(ctx context.Context, name string) (Endpoint, error)
	Destination(ctx context.Context, name string) (Endpoint, sdk.Verify, error)
	// Script evaluates a script's lazy configuration; dpod asks for the
	// reference product's positional arguments.
	Script(ctx context.Context, address string, at Scope) (e Endpoint, dpod bool, err error)
	ActivityConfig(ctx context.Context, at Scope) (cty.Value, error)
	// Doubts returns what is odd about the secrets that log in to a device or a
	// destination, without the secrets. One of the two names is empty.
	Doubts(device, destination string) []string
	// Set is the set's directory at a destination and the set's name.
	Set(ctx context.Context, destination string, at Scope) (dir, name string, err error)
}

// Scope is what a lazy argument is evaluated for.
type Scope struct {
	Run      string
	Plan     string
	Activity string
	Device   string
	Domain   string // empty for the whole device
	Stamp    string
	Status   string
	// Outputs are what the scripts of the run have put out so far.
	Outputs map[string]json.RawMessage
}

// Locks are the locks of the state directory.
type Locks interface {
	Acquire(ctx context.Context, key string, exclusive bool, onWait func(holder string)) (release func(), err error)
}

// Options are the parts of an executor.
type Options struct {
	Run      string
	PlanName string
	Version  string // dprun's own
	StateID  string // of the state directory
	Dir      string // of the plan: where scripts run
	Plan     Plan
	Plugins  Plugins
	Staging  *staging.Staging
	Locks    Locks
	Permits  Permits // nil: nothing is quiesced
	// Credentials are asked before a device is. With nil, only obligations are
	// settled.
	Credentials Credentials
	Keys        *signing.Keys // sign manifests; nil: they are not signed
	Clock       clock.Clock
	Redact      *redact.Redactor
	Log         *slog.Logger
	// Output gets what scripts print, line by line.
	Output func(task, stream, text string)
}

// Executor does actions. It implements engine.Executor.
type Executor struct {
	Options

	mu      sync.Mutex
	sources map[string]*instance[sdk.Source]
	targets map[string]*instance[sdk.Destination]
	sets    map[string]string // destination and manifest path: the task that writes it
	checks  map[string]*sharedCheck
	roots   map[string]string // of destinations that were checked: how they name themselves
	left    map[Leftover]bool
	// encrypted is what is staged encrypted, by task, recipients and variant.
	encrypted map[string]*instance[[]encrypted]
	outputs   map[string]json.RawMessage   // replaced, never changed
	before    map[string][]backups.Objects // by task: the states of objects before its quiesce
}

// New returns an executor.
func New(o Options) *Executor {
	return &Executor{Options: o, sources: map[string]*instance[sdk.Source]{}, targets: map[string]*instance[sdk.Destination]{},
		sets: map[string]string{}, checks: map[string]*sharedCheck{}, roots: map[string]string{}, left: map[Leftover]bool{},
		encrypted: map[string]*instance[[]encrypted]{}}
}

// Limits of single requests; the limits of phases belong to the machines. A
// gateway may take a minute to answer while it quiesces.
const (
	requestLimit = lifecycle.RequestLimit
	inspectLimit = 3 * time.Minute
	checkLimit   = 2 * time.Minute
	// A destination that takes longer for a few bytes counts as away.
	destinationLimit = time.Minute
)

// limitError reports that one request took too long. The limit uses the runner's
// clock, like every other time-out.
type limitError struct{ limit time.Duration }

func (e *limitError) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }

// limited bounds one request.
func (x *Executor) limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(client.WithLimit(ctx, limit))
	waiter := x.Clock.Waiter()
	due := waiter.Wait(x.Clock.Now().Add(limit), 1) // the call that it bounds
	go func() {
		defer waiter.Stop()
		select {
		case <-due:
			cancel(&limitError{limit})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// late turns the error of a request that its limit cut off into a time-out.
func late(ctx context.Context, err error) error {
	if l := new(limitError); err != nil && errors.As(context.Cause(ctx), &l) {
		return failure.New(failure.Timeout, "", "%w (%w)", l, err)
	}
	return err
}

// Do does one action.
func (x *Executor) Do(ctx context.Context, j engine.Job) (*event.Result, error) {
	var r *event.Result
	do := func() (err error) {
		r, err = x.do(ctx, j)
		return err
	}
	var err error
	if device := asks(j.Action); device == "" || j.Action.Owed() {
		err = do()
	} else {
		err = x.logIn(ctx, device, do)
	}
	if err != nil {
		return r, x.clean(asks(j.Action), x.doubted(j.Action, err))
	}
	return r, nil
}

// doubted adds to a refused login what may be wrong with the secret, such as a
// line end that an editor added and that is sent as part of the password.
func (x *Executor) doubted(a lifecycle.Action, err error) error {
	f := *failure.From(err)
	if f.Reason != failure.BadCredentials {
		return err
	}
	device := asks(a)
	destination := a.Destination
	if device != "" {
		destination = ""
	}
	if odd := x.Plan.Doubts(device, destination); len(odd) > 0 {
		f.Message += ". The secret may be wrong: " + strings.Join(odd, "; ")
	}
	return &f
}

// asks returns the device that an action sends a request to; empty: none.
func asks(a lifecycle.Action) string {
	switch a.Kind {
	case lifecycle.ActInspect, lifecycle.ActProbe, lifecycle.ActQuiesceState, lifecycle.ActUnquiesceState, lifecycle.ActValidate, lifecycle.ActCheck, lifecycle.ActRecheck, lifecycle.ActQuiesce,
		lifecycle.ActHealth, lifecycle.ActHealthAgain, lifecycle.ActHealthBack, lifecycle.ActUnquiesce, lifecycle.ActCapture, lifecycle.ActDiscard:
		return a.Device
	}
	return ""
}

func (x *Executor) do(ctx context.Context, j engine.Job) (*event.Result, error) {
	switch j.Action.Kind {
	case lifecycle.ActInspect:
		return x.inspect(ctx, j)
	case lifecycle.ActCheckDestination:
		return x.checkDestination(ctx, j)
	case lifecycle.ActScript:
		return x.script(ctx, j)
	case lifecycle.ActPrepare:
		return x.prepare(ctx, j)
	case lifecycle.ActProbe, lifecycle.ActQuiesceState, lifecycle.ActUnquiesceState:
		return x.quiesceState(ctx, j)
	case lifecycle.ActHealth, lifecycle.ActHealthAgain, lifecycle.ActHealthBack:
		return x.health(ctx, j)
	case lifecycle.ActLock:
		return x.lock(ctx, j)
	case lifecycle.ActPermit:
		return x.permit(ctx, j)
	case lifecycle.ActConfirm:
		return x.confirm(ctx, j)
	case lifecycle.ActPeers:
		return x.peers(ctx, j)
	case lifecycle.ActValidate, lifecycle.ActCheck, lifecycle.ActRecheck:
		return x.check(ctx, j)
	case lifecycle.ActQuiesce, lifecycle.ActUnquiesce:
		return x.quiesce(ctx, j)
	case lifecycle.ActCapture:
		return x.capture(ctx, j)
	case lifecycle.ActStore:
		return x.store(ctx, j)
	case lifecycle.ActManifest:
		return x.manifest(ctx, j)
	case lifecycle.ActDiscard:
		return x.discard(ctx, j)
	}
	return nil, failure.New(failure.Internal, "", "unknown action %q", j.Action.Kind)
}

// clean removes known secrets from the texts of a failure, and uses the plan's
// name of the device: its plugin knows an address only.
func (x *Executor) clean(device string, err error) error {
	f := *failure.From(err)
	if device != "" {
		f.Message = "device " + device + ": " + f.Message
	}
	f.Message, f.Remedy = x.Redact.Redact(f.Message), x.Redact.Redact(f.Remedy)
	return &f
}

// Close releases every instance.
func (x *Executor) Close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, i := range x.sources {
		if i.ready() {
			_ = i.value.Close()
		}
	}
	for _, i := range x.targets {
		if i.ready() {
			_ = i.value.Close()
		}
	}
	clear(x.sources)
	clear(x.targets)
}

// scope is where a job's lazy arguments are evaluated.
func (x *Executor) scope(j engine.Job) Scope {
	s := Scope{Run: x.Run, Plan: x.PlanName, Status: string(j.Action.Outcome), Outputs: x.outputsSoFar()}
	if j.Task != nil {
		s.Activity, s.Device, s.Domain = j.Task.Activity.Name, j.Task.Device, j.Task.Domain
	}
	if j.Prepared != nil {
		s.Stamp = j.Prepared.Stamp
	}
	return s
}

// outputsSoFar returns the outputs of all scripts so far. The map does not
// change afterwards.
func (x *Executor) outputsSoFar() map[string]json.RawMessage {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.outputs
}

// putOut adds a script's outputs to those of the run; a later one of the same
// name wins.
func (x *Executor) putOut(more map[string]json.RawMessage) {
	if len(more) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	all := maps.Clone(x.outputs)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, more)
	x.outputs = all
}

// owner marks everything that a task leaves anywhere as its own.
func (x *Executor) owner(j engine.Job) string {
	if j.Task == nil {
		return x.Run
	}
	return x.ownerOf(j.Task.ID)
}

func (x *Executor) ownerOf(task string) string { return x.Run + "-" + shortID(task) }
