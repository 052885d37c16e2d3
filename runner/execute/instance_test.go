package execute

import (
	"context"
	"errors"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
)

// slow configures an instance when it is told to, or its context ends.
type slow struct {
	Plugins
	asked chan struct{}
	do    chan struct{}
}

type device struct{ sdk.Source }

func (s slow) Source(ctx context.Context, _ string, _ cty.Value) (sdk.Source, error) {
	s.asked <- struct{}{}
	select {
	case <-s.do:
		return device{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type anyDevice struct{ Plan }

func (anyDevice) Device(context.Context, string) (Endpoint, error) { return Endpoint{}, nil }

// Two tasks need the same device; the one that came first is stopped while it
// is being configured.
func TestWhoIsStoppedStopsNobodyElse(t *testing.T) {
	t.Parallel()
	s := slow{asked: make(chan struct{}, 2), do: make(chan struct{})}
	x := New(Options{Plan: anyDevice{}, Plugins: s})
	type answer struct {
		source sdk.Source
		err    error
	}
	ask := func(ctx context.Context) <-chan answer {
		c := make(chan answer, 1)
		go func() {
			source, err := x.source(ctx, "gw")
			c <- answer{source, err}
		}()
		return c
	}
	ctx, stop := context.WithCancel(t.Context())
	first := ask(ctx)
	<-s.asked
	second := ask(t.Context())
	impatient, giveUp := context.WithCancel(t.Context())
	third := ask(impatient)
	giveUp()
	if a := <-third; !errors.Is(a.err, context.Canceled) {
		t.Errorf("whoever gives up waiting: %v", a.err)
	}
	stop()
	if a := <-first; !errors.Is(a.err, context.Canceled) {
		t.Errorf("the first: %v", a.err)
	}
	<-s.asked
	close(s.do)
	if a := <-second; a.err != nil || a.source == nil {
		t.Errorf("the second: %v", a.err)
	}
}
