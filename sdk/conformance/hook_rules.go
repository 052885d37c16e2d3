package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// endLimit is how long a hook that is asked to end may take.
const endLimit = 30 * time.Second

func request() sdk.RunRequest {
	return sdk.RunRequest{Context: json.RawMessage(`{"version":1,"run":"conformance"}`), Env: map[string]string{"DPRUN_RUN": "conformance"}}
}

// hook configures a hook for one case. It returns nil if the test gives no
// configuration for it.
func (b *bed) hook(config cty.Value) sdk.Hook {
	b.Helper()
	if config == cty.NilVal {
		notAsked(b.T, "not asked: %s", "there is no configuration for it")
		return nil
	}
	config, err := b.block.ApplyDefaults(config)
	if err != nil {
		b.Fatalf("the configuration does not fit the schema: %v", err)
	}
	h, err := b.running.ConfigureHook(b.ctx, b.s.Type, config)
	if err != nil {
		b.Fatalf("configure an instance: %v", err)
	}
	return h
}

func hookSucceeds(b *bed) {
	h := b.hook(b.s.Config)
	defer b.end(h)
	r, err := h.Run(b.ctx, request(), nil)
	if err != nil {
		b.Fatalf("run: %v", err)
	}
	if r.ExitCode != 0 {
		b.Errorf("exit code %d: %s", r.ExitCode, r.Tail)
	}
}

func hookOutput(b *bed) {
	h := b.hook(b.s.Config)
	defer b.end(h)
	var got int
	r, err := h.Run(b.ctx, request(), func(o sdk.Output) {
		if o.Stream != sdk.Stdout && o.Stream != sdk.Stderr {
			b.Errorf("output on the stream %q", o.Stream)
		}
		got += len(o.Text)
	})
	if err != nil {
		b.Fatalf("run: %v", err)
	}
	if got == 0 || r.Tail == "" {
		b.Errorf("no output was passed on: %d bytes, tail %q", got, r.Tail)
	}
}

func hookFails(b *bed) {
	h := b.hook(b.s.Fails)
	if h == nil {
		return
	}
	defer b.end(h)
	r, err := h.Run(b.ctx, request(), nil)
	if err != nil {
		b.Fatalf("run: %v", err)
	}
	if r.ExitCode == 0 {
		b.Errorf("exit code 0")
	}
}

func hookCancelled(b *bed) {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	timer := time.AfterFunc(200*time.Millisecond, cancel)
	defer timer.Stop()
	b.wantEnd(ctx, failure.Cancelled)
}

func hookDeadline(b *bed) {
	ctx, cancel := context.WithTimeout(b.ctx, 200*time.Millisecond)
	defer cancel()
	b.wantEnd(ctx, failure.Timeout)
}

// wantEnd runs a hook that hangs until its context ends.
func (b *bed) wantEnd(ctx context.Context, kind failure.Kind) {
	b.Helper()
	h := b.hook(b.s.Hangs)
	if h == nil {
		return
	}
	defer b.end(h)
	begin := time.Now()
	_, err := h.Run(ctx, request(), nil)
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != kind {
		b.Errorf("run gave %v, want a failure of the kind %s", err, kind)
	}
	if d := time.Since(begin); d > endLimit {
		b.Errorf("run took %v to end", d)
	}
}

func hookEnded(b *bed) {
	h := b.hook(b.s.Hangs)
	if h == nil {
		return
	}
	defer b.end(h)
	ctx, cancel := context.WithTimeout(b.ctx, 500*time.Millisecond)
	defer cancel()
	_, _ = h.Run(ctx, request(), nil) // other rules test the failure
	if left := b.running.offspring(); len(left) > 0 {
		b.Errorf("the run has ended, and these processes are alive: %v", left)
	}
}

func hookConcurrent(b *bed) {
	h := b.hook(b.s.Config)
	defer b.end(h)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := h.Run(b.ctx, request(), nil); err != nil {
				b.Errorf("run beside others: %v", err)
			}
		})
	}
	wg.Wait()
}
