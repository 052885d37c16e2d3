package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// back drives a debt against readings of a target, which come one after the
// other (the last one again and again), until it ends.
type back struct {
	debt   *Debt
	now    time.Time
	sent   []time.Duration // when an unquiesce was sent, since the start
	read   int
	refuse func(at time.Duration) *failure.Error // of an unquiesce
	answer func(at time.Duration) (*sdk.QuiesceReport, *failure.Error)
}

func (b *back) run(t *testing.T) time.Duration {
	t.Helper()
	start := b.now
	for range 10_000 {
		as := b.debt.Pending()
		if len(as) == 0 {
			return b.now.Sub(start)
		}
		a := as[1]
		if as[0].NotBefore.Before(a.NotBefore) {
			a = as[0]
		}
		if a.NotBefore.After(b.now) {
			b.now = a.NotBefore
		}
		at := b.now.Sub(start)
		switch a.Kind {
		case ActUnquiesceTimer:
			b.debt.Finish(b.now, a, nil, nil)
		case ActUnquiesce:
			b.sent = append(b.sent, at)
			var f *failure.Error
			if b.refuse != nil {
				f = b.refuse(at)
			}
			b.debt.Finish(b.now, a, nil, f)
		case ActUnquiesceState:
			b.read++
			r, f := b.answer(at)
			b.debt.Finish(b.now, a, r, f)
		}
	}
	t.Fatal("the way back does not end")
	return 0
}

func reads(r *sdk.QuiesceReport) func(time.Duration) (*sdk.QuiesceReport, *failure.Error) {
	return func(time.Duration) (*sdk.QuiesceReport, *failure.Error) { return r, nil }
}

func states(s sdk.QuiesceState, domains ...string) *sdk.QuiesceReport {
	r := &sdk.QuiesceReport{State: s, Domains: map[string]sdk.QuiesceState{}}
	for _, d := range domains {
		r.Domains[d] = s
	}
	return r
}

var wayOfDomain = DebtSpec{Device: "gw", Domain: "orders", QuiescedAt: epoch, Unquiesce: time.Minute, Grace: 3 * time.Minute}
var wayOfDevice = DebtSpec{Device: "gw", Domains: []string{"orders", "pay"}, QuiescedAt: epoch, Unquiesce: time.Minute, Grace: 3 * time.Minute}

// TestNoReadingButAnExplicitOneEndsTheWayBack: whatever a gateway answers that
// does not show each domain in service, the target stays owed.
func TestNoReadingButAnExplicitOneEndsTheWayBack(t *testing.T) {
	t.Parallel()
	unreadable := failure.New(failure.Unavailable, "", "garbled")
	for name, c := range map[string]struct {
		spec    DebtSpec
		report  *sdk.QuiesceReport
		failure *failure.Error
		says    string
	}{
		"an empty list":               {wayOfDevice, states(normal), nil, "domain orders is not in the gateway's list"},
		"no list":                     {wayOfDevice, &sdk.QuiesceReport{State: normal}, nil, "domain orders is not in the gateway's list"},
		"a missing row":               {wayOfDevice, states(normal, "orders", "other"), nil, "domain pay is not in the gateway's list"},
		"one domain of unknown state": {wayOfDevice, &sdk.QuiesceReport{State: normal, Domains: map[string]sdk.QuiesceState{"orders": normal, "pay": sdk.StateUnknown}}, nil, "domain pay is unknown"},
		"an unknown state":            {wayOfDomain, states(sdk.StateUnknown, "orders"), nil, "last state: unknown"},
		"a missing field": {wayOfDomain, &sdk.QuiesceReport{State: sdk.StateUnknown, Domains: map[string]sdk.QuiesceState{"orders": sdk.StateUnknown}, Detail: "the row of domain orders has no QuiesceState"}, nil,
			"last state: unknown; the row of domain orders has no QuiesceState"},
		"quiesced":                 {wayOfDomain, states(sdk.StateQuiesced, "orders"), nil, "last state: quiesced"},
		"a refused read":           {wayOfDomain, nil, failure.New(failure.Precondition, "", "not allowed"), "not allowed"},
		"a garbled read":           {wayOfDomain, nil, unreadable, "garbled"},
		"no report":                {wayOfDomain, nil, nil, "last state: unknown"},
		"another device's domains": {wayOfDevice, states(normal, "a", "b"), nil, "domain orders is not in the gateway's list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, restarted := range []bool{false, true} {
				b := &back{debt: NewDebt(c.spec), now: epoch.Add(10 * time.Minute), answer: func(time.Duration) (*sdk.QuiesceReport, *failure.Error) { return c.report, c.failure }}
				if restarted {
					b.debt.Restart(b.now)
				} else {
					b.debt.Begin(b.now)
				}
				took := b.run(t)
				if b.debt.Returned() || !b.debt.GaveUp() || took < 4*time.Minute || took > 4*time.Minute+10*time.Second {
					t.Errorf("restarted %v: it is %s after %s", restarted, b.debt.state, took)
				}
				if len(b.sent) < 2 {
					t.Errorf("restarted %v: the unquiesce was sent %d times", restarted, len(b.sent))
				}
				if got := b.debt.Complaint(); !strings.Contains(got, c.says) {
					t.Errorf("restarted %v: %q does not say %q", restarted, got, c.says)
				}
			}
		})
	}
}

// TestAnUnquiesceThatIsAcceptedHidesNoUnreadState: what stands in the way is
// the reading, and the last thing that is done may be another unquiesce.
func TestAnUnquiesceThatIsAcceptedHidesNoUnreadState(t *testing.T) {
	t.Parallel()
	d := NewDebt(wayOfDomain)
	now := epoch.Add(10 * time.Minute)
	d.Begin(now)
	for d.attempt < 2 {
		next := d.Pending()[1]
		var f *failure.Error
		if next.Kind == ActUnquiesceState {
			f = failure.New(failure.Unavailable, "", "garbled")
		}
		now = now.Add(unquiesceAgain)
		d.Finish(now, next, nil, f)
	}
	d.Finish(now, d.Pending()[1], nil, nil)
	if got := d.Trouble(); !strings.Contains(got, "last error: garbled") {
		t.Errorf("%q does not say why the state was not read", got)
	}
}

// TestADomainSeenDownMustBeSeenBack although nobody expected it.
func TestADomainSeenDownMustBeSeenBack(t *testing.T) {
	t.Parallel()
	b := &back{debt: NewDebt(DebtSpec{Device: "gw", QuiescedAt: epoch, Unquiesce: time.Minute}), now: epoch.Add(time.Second), answer: reads(states(normal, "orders"))}
	b.debt.Observe(states(sdk.StateQuiesced, "orders", "new"))
	b.debt.Begin(b.now)
	b.run(t)
	if !b.debt.GaveUp() || !strings.Contains(b.debt.Complaint(), "domain new is not in the gateway's list") {
		t.Errorf("it is %s: %s", b.debt.state, b.debt.Complaint())
	}
}

// TestALateQuiesceIsWaitedFor: the gateway works on the request later than the
// way back begins, up to its request's limit. The target is not told back
// before, and is brought back after.
func TestALateQuiesceIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{20 * time.Second, 45 * time.Second, 85 * time.Second} {
		for _, restarted := range []bool{false, true} {
			spec := wayOfDomain
			spec.Unquiesce, spec.Grace = 30*time.Second, 0 // shorter than the wait
			b := &back{debt: NewDebt(spec), now: epoch}
			b.answer = func(at time.Duration) (*sdk.QuiesceReport, *failure.Error) {
				back := len(b.sent) > 0 && b.sent[len(b.sent)-1] >= late
				if at >= late && !back {
					return states(sdk.StateQuiesced, "orders"), nil
				}
				return states(normal, "orders"), nil
			}
			if restarted {
				b.debt.Restart(b.now)
			} else {
				b.debt.Begin(b.now)
			}
			took := b.run(t)
			if !b.debt.Returned() || took < late || b.sent[len(b.sent)-1] < late {
				t.Errorf("%s late, restarted %v: %s after %s, sent at %v", late, restarted, b.debt.state, took, b.sent)
			}
		}
	}
}

// TestAHealthyReturnIsNotDelayed: a quiesce that was seen to act, was refused,
// or can no longer arrive makes the first explicit reading count.
func TestAHealthyReturnIsNotDelayed(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *back){
		"seen":    func(b *back) { b.debt.Observe(states(sdk.StateQuiesced, "orders")) },
		"refused": func(b *back) { b.debt.Refuse() },
		"old":     func(b *back) { b.now = epoch.Add(arrivesWithin) },
	} {
		b := &back{debt: NewDebt(wayOfDomain), now: epoch.Add(time.Second), answer: reads(states(normal, "orders"))}
		prepare(b)
		b.debt.Begin(b.now)
		if took := b.run(t); !b.debt.Returned() || took > 5*time.Second {
			t.Errorf("%s: %s after %s", name, b.debt.state, took)
		}
	}
}

// TestWhoeverFindsADebtLooksFirst: a target that is back, and that no quiesce
// can reach any more, is asked nothing.
func TestWhoeverFindsADebtLooksFirst(t *testing.T) {
	t.Parallel()
	b := &back{debt: NewDebt(wayOfDevice), now: epoch.Add(time.Hour), answer: reads(states(normal, "orders", "pay"))}
	b.debt.Restart(b.now)
	if took := b.run(t); !b.debt.Returned() || took != 0 || len(b.sent) != 0 || b.read != 1 {
		t.Errorf("%s after %s, %d readings, sent at %v", b.debt.state, took, b.read, b.sent)
	}
}

// TestALoginRefusedTwiceEndsTheWayBack: a third attempt may lock the account.
func TestALoginRefusedTwiceEndsTheWayBack(t *testing.T) {
	t.Parallel()
	denied := failure.New(failure.Denied, "", "login refused")
	b := &back{debt: NewDebt(wayOfDomain), now: epoch, refuse: func(time.Duration) *failure.Error { return denied }}
	b.debt.Begin(b.now)
	b.run(t)
	if !b.debt.GaveUp() || len(b.sent) != maxDenials {
		t.Errorf("it is %s after %d logins", b.debt.state, len(b.sent))
	}
}

// TestADeviceIsDownWhenAllItsDomainsAre: one that is quiesced says nothing of
// the others.
func TestADeviceIsDownWhenAllItsDomainsAre(t *testing.T) {
	t.Parallel()
	d := NewDebt(wayOfDevice)
	for want, r := range map[bool]*sdk.QuiesceReport{
		true:  states(sdk.StateQuiesced, "orders", "pay"),
		false: {State: sdk.StateQuiesced, Domains: map[string]sdk.QuiesceState{"orders": sdk.StateQuiesced, "pay": sdk.StateQuiescing}},
	} {
		if got := d.allDown(r); got != want {
			t.Errorf("%v: %v", r.Domains, got)
		}
	}
}

// TestReturnedAndGaveUpAreTheOnlyEnds of a way back, and an end is left only to
// be tried anew.
func TestReturnedAndGaveUpAreTheOnlyEnds(t *testing.T) {
	t.Parallel()
	goesOn := map[debtState]bool{}
	for _, r := range debts.rows {
		goesOn[r.from] = true
		if r.from == debtReturned || r.from == debtGaveUp && r.to != debtLooking {
			t.Errorf("%s goes on to %s", r.from, r.to)
		}
		if r.to == debtReturned && r.on != debtReadBack {
			t.Errorf("%s leads to %s", r.on, r.to)
		}
	}
	for _, s := range []debtState{debtOpen, debtLooking, debtSending, debtPolling} {
		if !goesOn[s] {
			t.Errorf("%s has no row", stateName(s))
		}
	}
}
