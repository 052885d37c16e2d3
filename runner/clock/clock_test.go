package clock

import (
	"testing"
	"time"
)

func TestAFiredTimerIsWorkUntilItIsNoticed(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := NewManual(start)
	due, noticed := m.At(start.Add(time.Minute))
	_, giveUp := m.At(start.Add(time.Minute))
	giveUp()
	if busy, _ := m.Work(); busy != 0 {
		t.Errorf("%d at work before anything is due", busy)
	}
	m.Advance(time.Minute)
	<-due
	if busy, _ := m.Work(); busy != 1 {
		t.Errorf("%d at work when one timer has fired, want 1", busy)
	}
	noticed()
	noticed()
	if busy, _ := m.Work(); busy != 0 {
		t.Errorf("%d at work after it was noticed", busy)
	}
	if _, ok := m.Next(); ok {
		t.Error("a timer is left")
	}
}
