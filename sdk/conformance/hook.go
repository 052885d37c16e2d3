package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// HookOptions are configured instances that do what their names say.
type HookOptions struct {
	// Succeeds prints at least a line and ends with 0.
	Succeeds func(context.Context) (sdk.Hook, error)
	// Fails ends with another code.
	Fails func(context.Context) (sdk.Hook, error)
	// Hangs does not end by itself within a minute.
	Hangs func(context.Context) (sdk.Hook, error)
}

// endLimit is how long a hook that is asked to end may take.
const endLimit = 30 * time.Second

// Hook is what every hook must do.
func Hook(o HookOptions) []Case {
	var cases []Case
	add := func(name string, open func(context.Context) (sdk.Hook, error), run func(context.Context, T, sdk.Hook)) {
		cases = append(cases, Case{Name: name, Run: func(ctx context.Context, t T) {
			h, err := open(ctx)
			if err != nil {
				t.Fatalf("configure an instance: %v", err)
			}
			defer func() {
				if err := h.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			run(ctx, t, h)
		}})
	}
	add("a success is reported with its output", o.Succeeds, hookSucceeds)
	add("a failing script is a report and no error", o.Fails, hookFails)
	add("a cancelled run ends", o.Hangs, hookCancelled)
	add("a run ends at its deadline", o.Hangs, hookDeadline)
	add("runs go side by side", o.Succeeds, hookConcurrent)
	return cases
}

func request() sdk.RunRequest {
	return sdk.RunRequest{Context: json.RawMessage(`{"version":1,"run":"conformance"}`), Env: map[string]string{"DPRUN_RUN": "conformance"}}
}

func hookSucceeds(ctx context.Context, t T, h sdk.Hook) {
	var got int
	r, err := h.Run(ctx, request(), func(o sdk.Output) {
		if o.Stream != sdk.Stdout && o.Stream != sdk.Stderr {
			t.Errorf("output on the stream %q", o.Stream)
		}
		got += len(o.Text)
	})
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	if r.ExitCode != 0 {
		t.Errorf("exit code %d: %s", r.ExitCode, r.Tail)
	}
	if got == 0 || r.Tail == "" {
		t.Errorf("no output was passed on: %d bytes, tail %q", got, r.Tail)
	}
}

func hookFails(ctx context.Context, t T, h sdk.Hook) {
	r, err := h.Run(ctx, request(), nil)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	if r.ExitCode == 0 {
		t.Errorf("exit code 0")
	}
}

func hookCancelled(ctx context.Context, t T, h sdk.Hook) {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(200*time.Millisecond, cancel)
	wantEnd(ctx, t, h, failure.Cancelled)
}

func hookDeadline(ctx context.Context, t T, h sdk.Hook) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	wantEnd(ctx, t, h, failure.Timeout)
}

func wantEnd(ctx context.Context, t T, h sdk.Hook, kind failure.Kind) {
	begin := time.Now()
	_, err := h.Run(ctx, request(), nil)
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != kind {
		t.Errorf("run gave %v, want a failure of the kind %s", err, kind)
	}
	if d := time.Since(begin); d > endLimit {
		t.Errorf("run took %v to end", d)
	}
}

func hookConcurrent(ctx context.Context, t T, h sdk.Hook) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if r, err := h.Run(ctx, request(), nil); err != nil || r.ExitCode != 0 {
				t.Errorf("run beside others: %+v, %v", r, err)
			}
		})
	}
	wg.Wait()
}
