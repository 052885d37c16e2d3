// Package conformance holds what every plugin must do, as cases that run over
// real gRPC, against a plugin that is served within this process or against a
// built program.
//
// In a plugin's own tests:
//
//	subject := conformance.Subject{
//		Start: conformance.InProcess(Plugin()), Process: conformance.Program("./dprun-plugin-mine"),
//		Kind: schema.KindDestination, Type: "mine", Config: config,
//	}
//	for _, c := range conformance.Cases(subject) {
//		t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
//	}
//
// The same cases run outside of tests with [Run]. [Rules] lists them.
package conformance

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk/schema"
)

// T is the part of *testing.T that a case needs.
type T interface {
	Helper()                           // as that of *testing.T
	Logf(format string, args ...any)   // logs something that is not a failure
	Errorf(format string, args ...any) // reports a failure and goes on
	// Fatalf does not return.
	Fatalf(format string, args ...any)
	// TempDir returns a fresh local directory that is removed after the case.
	TempDir() string
}

// Rule is one thing that every plugin must do.
type Rule struct {
	// ID names the rule for ever, for example "store/overwrite". No other rule
	// ever gets it.
	ID string `json:"id"`
	// Kind is the kind of types that the rule is for; empty: every kind.
	Kind schema.Kind `json:"kind,omitempty"`
	// Holds says what must hold, Why what an operator suffers otherwise, Remedy
	// what the author of a plugin does about it. Each is a sentence or two.
	Holds  string `json:"holds"`
	Why    string `json:"why"`
	Remedy string `json:"remedy"`
	// ReadOnly says that the rule writes nothing to the target.
	ReadOnly bool `json:"read_only,omitempty"`
	// Where says how the plugin must have been started.
	Where Where `json:"where,omitempty"`
	// Ability is the ability that the rule is about; empty: it is for every
	// type.
	Ability schema.Ability `json:"ability,omitempty"`
}

// Where says how a plugin must have been started for a rule.
type Where string

// The ways of starting.
const (
	Anywhere   Where = ""        // either way
	OwnProcess Where = "process" // only if the plugin is a process of its own
	SameAsTest Where = "inside"  // only if the plugin is served within the test's process
)

// Case is a rule and the function that tests it. Cases of one list do not
// disturb each other and may run concurrently; each starts the plugin anew.
type Case struct {
	Rule
	Run func(ctx context.Context, t T) // starts the plugin, tests the rule and stops the plugin; blocks until then
}

// rule is a Rule and its code.
type rule struct {
	Rule
	run func(*bed)
}

// Rules returns all rules.
func Rules() (out []Rule) {
	for _, r := range rules() {
		out = append(out, r.Rule)
	}
	return out
}

// Cases returns the cases for a subject. A case about something that the subject
// does not offer passes, and the log says so.
func Cases(s Subject) (out []Case) {
	s.defaults()
	for _, r := range rules() {
		if r.Kind == "" || r.Kind == s.Kind {
			out = append(out, Case{r.Rule, func(ctx context.Context, t T) { r.look(ctx, t, s) }})
		}
	}
	return out
}

// Result says how one case ended.
type Result struct {
	Rule
	Passed bool `json:"passed"` // the rule holds or was not tested
	// NotAsked says why the rule could not be tested; it counts as passed.
	NotAsked string        `json:"not_asked,omitempty"`
	Log      []string      `json:"log,omitempty"` // what was wrong
	Took     time.Duration `json:"-"`             // how long it took
}

// caseLimit is how long a case may take outside of a test.
const caseLimit = 3 * time.Minute

// Run runs cases one after the other, outside of a test, and reports whether all
// passed. It stops when ctx ends.
func Run(ctx context.Context, cases []Case, each func(Result)) (passed bool) {
	passed = true
	for _, c := range cases {
		if ctx.Err() != nil {
			return false
		}
		r := runOne(ctx, c)
		passed = passed && r.Passed
		each(r)
	}
	return passed
}

func runOne(ctx context.Context, c Case) Result {
	b, begin := &bench{}, time.Now()
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	done := make(chan struct{})
	go func() { // in its own goroutine, because Fatalf ends it
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				b.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		c.Run(ctx, b)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(caseLimit / 6):
			b.Errorf("the case did not end")
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.dirs {
		_ = os.RemoveAll(d)
	}
	return Result{Rule: c.Rule, Passed: !b.failed, NotAsked: b.notAsked, Log: slices.Clone(b.log), Took: time.Since(begin)}
}

// bench is the T of [Run].
type bench struct {
	mu       sync.Mutex
	failed   bool
	notAsked string
	log      []string
	dirs     []string
}

func (b *bench) Helper() {}

func (b *bench) Logf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf(format, args...))
}

func (b *bench) Errorf(format string, args ...any) {
	b.Logf(format, args...)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = true
}

func (b *bench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	runtime.Goexit()
}

// NotAsked notes that the rule cannot be tested.
func (b *bench) NotAsked(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notAsked = why
}

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "dprun-conformance-")
	if err != nil {
		b.Fatalf("make a directory: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirs = append(b.dirs, dir)
	return dir
}
