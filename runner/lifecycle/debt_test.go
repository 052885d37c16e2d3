package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// back drives a debt against readings of a target, which come one after the
// other (the last one again and again), until it ends.
type back struct {
	debt   way
	now    time.Time
	began  time.Time       // when run was called
	sent   []time.Duration // when an unquiesce was sent, since the start
	read   int
	refuse func(at time.Duration) *failure.Error // of an unquiesce
	answer func(at time.Duration) (*sdk.QuiesceReport, *failure.Error)
	looked []time.Duration // when the objects were read
	asked  [][]string      // and of which domains
	health func(at time.Duration) (*sdk.HealthReport, *failure.Error)
}

// String is how it stands.
func (b *back) String() string {
	switch {
	case b.debt.Returned():
		return "back"
	case b.debt.GaveUp():
		return "given up"
	}
	return "under way"
}

func (b *back) run(t *testing.T) time.Duration {
	t.Helper()
	start := b.now
	b.began = start
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
			b.debt.Finish(b.now, a, &event.Result{Quiesce: r}, f)
		case ActHealthBack:
			b.looked, b.asked = append(b.looked, at), append(b.asked, a.Domains)
			r, f := b.health(at)
			b.debt.Finish(b.now, a, &event.Result{Health: r}, f)
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
var healthyWay = DebtSpec{Device: "gw", Domain: "orders", QuiescedAt: epoch, Unquiesce: time.Minute, Grace: 3 * time.Minute,
	Up: Objects{"orders": {"Handler in", "Service api"}}, Healthy: 5 * time.Minute}
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
			for entrance, enter := range entrances {
				now := epoch.Add(10 * time.Minute)
				b := &back{debt: enter(t, c.spec, now), now: now, answer: func(time.Duration) (*sdk.QuiesceReport, *failure.Error) { return c.report, c.failure }}
				took := b.run(t)
				if b.debt.Returned() || !b.debt.GaveUp() || took < 4*time.Minute || took > 4*time.Minute+10*time.Second {
					t.Errorf("%s: it is %s after %s", entrance, b, took)
				}
				if len(b.sent) < 2 {
					t.Errorf("%s: the unquiesce was sent %d times", entrance, len(b.sent))
				}
				if got := b.debt.Complaint(); !strings.Contains(got, c.says) {
					t.Errorf("%s: %q does not say %q", entrance, got, c.says)
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
	d := NewDebt(DebtSpec{Device: "gw", QuiescedAt: epoch, Unquiesce: time.Minute})
	d.Observe(states(sdk.StateQuiesced, "orders", "new"))
	b := &back{debt: d, now: epoch.Add(time.Second), answer: reads(states(normal, "orders"))}
	d.Begin(b.now)
	b.run(t)
	if !b.debt.GaveUp() || !strings.Contains(b.debt.Complaint(), "domain new is not in the gateway's list") {
		t.Errorf("it is %s: %s", b, b.debt.Complaint())
	}
}

// TestALateQuiesceIsWaitedFor: the gateway works on the request later than the
// way back begins, up to its request's limit. The target is not told back
// before, and is brought back after.
func TestALateQuiesceIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{20 * time.Second, 45 * time.Second, 85 * time.Second} {
		for entrance, enter := range entrances {
			spec := wayOfDomain
			spec.Unquiesce, spec.Grace = 30*time.Second, 0 // shorter than the wait
			b := &back{debt: enter(t, spec, epoch), now: epoch}
			b.answer = func(at time.Duration) (*sdk.QuiesceReport, *failure.Error) {
				back := len(b.sent) > 0 && b.sent[len(b.sent)-1] >= late
				if at >= late && !back {
					return states(sdk.StateQuiesced, "orders"), nil
				}
				return states(normal, "orders"), nil
			}
			took := b.run(t)
			if !b.debt.Returned() || took < late || b.sent[len(b.sent)-1] < late {
				t.Errorf("%s late, %s: %s after %s, sent at %v", late, entrance, b, took, b.sent)
			}
		}
	}
}

// TestAHealthyReturnIsNotDelayed: a quiesce that was seen to act, was refused,
// or can no longer arrive makes the first explicit reading count.
func TestAHealthyReturnIsNotDelayed(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *back, d *Debt){
		"seen":    func(_ *back, d *Debt) { d.Observe(states(sdk.StateQuiesced, "orders")) },
		"refused": func(_ *back, d *Debt) { d.Refuse() },
		"old":     func(b *back, _ *Debt) { b.now = epoch.Add(arrivesWithin) },
	} {
		d := NewDebt(wayOfDomain)
		b := &back{debt: d, now: epoch.Add(time.Second), answer: reads(states(normal, "orders"))}
		prepare(b, d)
		d.Begin(b.now)
		if took := b.run(t); !b.debt.Returned() || took > 5*time.Second {
			t.Errorf("%s: %s after %s", name, b, took)
		}
	}
}

// TestWhoeverFindsADebtLooksFirst: a target that is back, and that no quiesce
// can reach any more, is asked nothing.
func TestWhoeverFindsADebtLooksFirst(t *testing.T) {
	t.Parallel()
	for _, entrance := range []string{"after a replay, on the way back", "from a pending file"} {
		now := epoch.Add(time.Hour)
		b := &back{debt: entrances[entrance](t, wayOfDevice, now), now: now, answer: reads(states(normal, "orders", "pay"))}
		if took := b.run(t); !b.debt.Returned() || took != 0 || len(b.sent) != 0 || b.read != 1 {
			t.Errorf("%s: %s after %s, %d readings, sent at %v", entrance, b, took, b.read, b.sent)
		}
	}
}

// TestALoginRefusedTwiceEndsTheWayBack: a third attempt may lock the account.
func TestALoginRefusedTwiceEndsTheWayBack(t *testing.T) {
	t.Parallel()
	denied := failure.New(failure.Denied, "", "login refused")
	for entrance, enter := range entrances {
		b := &back{debt: enter(t, wayOfDomain, epoch), now: epoch, refuse: func(time.Duration) *failure.Error { return denied },
			answer: func(time.Duration) (*sdk.QuiesceReport, *failure.Error) { return nil, denied }}
		b.run(t)
		if n := len(b.sent) + b.read; !b.debt.GaveUp() || n != maxDenials {
			t.Errorf("%s: it is %s after %d logins", entrance, b, n)
		}
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
		if r.from == debtReturned || (r.from == debtGaveUp || r.from == debtUnwell) && r.to != debtLooking {
			t.Errorf("%s goes on to %s", r.from, r.to)
		}
		if r.to == debtReturned && r.on != debtReadBack && r.on != debtReadUp {
			t.Errorf("%s leads to %s", r.on, r.to)
		}
	}
	for _, s := range []debtState{debtOpen, debtLooking, debtSending, debtPolling, debtHealing} {
		if !goesOn[s] {
			t.Errorf("%s has no row", stateName(s))
		}
	}
}
