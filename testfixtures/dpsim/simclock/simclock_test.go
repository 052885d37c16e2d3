package simclock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/simclock"
)

func TestFrozenClockMovesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	c := simclock.New()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c.Freeze(true)
	c.Set(at)
	time.Sleep(2 * time.Millisecond)
	if got := c.Now(); !got.Equal(at) {
		t.Errorf("now %v, want %v", got, at)
	}
	c.Advance(time.Hour)
	if got := c.Now(); !got.Equal(at.Add(time.Hour)) {
		t.Errorf("now %v", got)
	}
	c.Freeze(false)
	time.Sleep(2 * time.Millisecond)
	if got := c.Now().Sub(at); got <= time.Hour || got > 2*time.Hour {
		t.Errorf("ran on to %v after the start", got)
	}
}

func TestSleepEndsWhenTimeIsMoved(t *testing.T) {
	t.Parallel()
	c := simclock.New()
	c.Freeze(true)
	done := make(chan error)
	go func() { done <- c.Sleep(t.Context(), time.Minute) }()
	for {
		c.Advance(time.Second)
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := simclock.New()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
