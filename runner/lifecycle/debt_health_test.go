package lifecycle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// inService is a way back whose target is in service from the first reading on.
func inService(t *testing.T, enter func(*testing.T, DebtSpec, time.Time) way, spec DebtSpec, health func(at time.Duration) (*sdk.HealthReport, *failure.Error)) *back {
	t.Helper()
	now := epoch.Add(arrivesWithin)
	b := &back{debt: enter(t, spec, now), now: now, answer: reads(states(normal, "orders")), health: health}
	return b
}

// TestATargetIsNotBackBeforeItsObjectsAre: whatever a gateway answers that does
// not show each object up, the target stays owed, and what is missing is named.
func TestATargetIsNotBackBeforeItsObjectsAre(t *testing.T) {
	t.Parallel()
	changed := func(change func(o *sdk.ObjectHealth)) *sdk.HealthReport {
		r := wellOf(healthyWay.Up)
		change(&r.Objects[0])
		return r
	}
	only := wellOf(healthyWay.Up)
	only.Objects = only.Objects[1:]
	twice := wellOf(healthyWay.Up)
	twice.Objects = append(twice.Objects, sdk.ObjectHealth{Domain: "orders", Class: "Handler", Name: "in"})
	for name, c := range map[string]struct {
		report  *sdk.HealthReport
		failure *failure.Error
		says    string
	}{
		"down":               {changed(func(o *sdk.ObjectHealth) { o.Up, o.Detail = false, "port in use" }), nil, "Handler in (domain orders: port in use)"},
		"quiesced":           {changed(func(o *sdk.ObjectHealth) { o.Up, o.Quiesced = false, true }), nil, "Handler in (domain orders: down)"},
		"in another domain":  {changed(func(o *sdk.ObjectHealth) { o.Domain = "pay" }), nil, "Handler in (domain orders: the gateway does not list it)"},
		"of another class":   {changed(func(o *sdk.ObjectHealth) { o.Class = "Service" }), nil, "Handler in (domain orders: the gateway does not list it)"},
		"not listed":         {only, nil, "Handler in (domain orders: the gateway does not list it)"},
		"listed twice":       {twice, nil, "Handler in (domain orders: down)"},
		"nothing is listed":  {&sdk.HealthReport{}, nil, "Service api (domain orders: the gateway does not list it)"},
		"unread":             {&sdk.HealthReport{Unread: []sdk.UnreadDomain{{Domain: "orders", Failure: boom()}}}, nil, "the objects of domain orders cannot be read (boom)"},
		"not told":           {nil, nil, "the objects were not told"},
		"refused or garbled": {nil, failure.New(failure.Denied, failure.NotPermitted, "not allowed"), "the objects cannot be read (not allowed)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for entrance, enter := range entrances {
				b := inService(t, enter, healthyWay, func(time.Duration) (*sdk.HealthReport, *failure.Error) { return c.report, c.failure })
				took := b.run(t)
				if !b.debt.GaveUp() || took < 5*time.Minute || took > 5*time.Minute+5*time.Second {
					t.Errorf("%s: it is %s after %s", entrance, b, took)
				}
				if n := len(b.looked); n < 15 || n > 40 {
					t.Errorf("%s: the objects were read %d times", entrance, n)
				}
				if got := b.debt.Complaint(); !strings.Contains(got, c.says) || !strings.Contains(got, "NOT HEALTHY") || !strings.Contains(got, "5m0s") {
					t.Errorf("%s: %q does not say %q", entrance, got, c.says)
				}
			}
		})
	}
}

// TestAHealthyTargetCostsOneReading and no time.
func TestAHealthyTargetCostsOneReading(t *testing.T) {
	t.Parallel()
	for entrance, enter := range entrances {
		b := inService(t, enter, healthyWay, func(time.Duration) (*sdk.HealthReport, *failure.Error) { return wellOf(healthyWay.Up), nil })
		if took := b.run(t); !b.debt.Returned() || took > 3*time.Second || len(b.looked) != 1 {
			t.Errorf("%s: it is %s after %s, and the objects were read at %v", entrance, b, took, b.looked)
		}
	}
}

// TestObjectsThatComeUpLateAreWaitedFor and the target is back then.
func TestObjectsThatComeUpLateAreWaitedFor(t *testing.T) {
	t.Parallel()
	const late = 100 * time.Second
	for entrance, enter := range entrances {
		b := inService(t, enter, healthyWay, func(at time.Duration) (*sdk.HealthReport, *failure.Error) {
			r := wellOf(healthyWay.Up)
			r.Objects[1].Up = at >= late
			return r, nil
		})
		if took := b.run(t); !b.debt.Returned() || took < late || took > late+20*time.Second {
			t.Errorf("%s: it is %s after %s", entrance, b, took)
		}
	}
}

// TestWhatSomebodyDisabledMeanwhileIsNotWaitedFor: a quiesce disables nothing.
func TestWhatSomebodyDisabledMeanwhileIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for entrance, enter := range entrances {
		b := inService(t, enter, healthyWay, func(time.Duration) (*sdk.HealthReport, *failure.Error) {
			r := wellOf(healthyWay.Up)
			r.Objects[0].Up, r.Objects[0].Disabled = false, true
			return r, nil
		})
		if took := b.run(t); !b.debt.Returned() || took > 3*time.Second {
			t.Errorf("%s: it is %s after %s", entrance, b, took)
		}
	}
}

// TestALoginRefusedTwiceEndsTheWaitForObjects: a third attempt may lock the account.
func TestALoginRefusedTwiceEndsTheWaitForObjects(t *testing.T) {
	t.Parallel()
	for entrance, enter := range entrances {
		b := inService(t, enter, healthyWay, func(time.Duration) (*sdk.HealthReport, *failure.Error) {
			return nil, failure.New(failure.Denied, failure.BadCredentials, "login refused")
		})
		b.run(t)
		if n := len(b.looked); !b.debt.GaveUp() || n != maxDenials || !strings.Contains(b.debt.Complaint(), "login refused") {
			t.Errorf("%s: it is %s after %d readings: %s", entrance, b, n, b.debt.Complaint())
		}
	}
}

// TestWhoeverAsksTwiceToStopWaitsALittleForObjects and no longer.
func TestWhoeverAsksTwiceToStopWaitsALittleForObjects(t *testing.T) {
	t.Parallel()
	d := NewDebt(healthyWay)
	now := epoch.Add(arrivesWithin)
	d.Restart(now)
	d.Hurry()
	b := &back{debt: d, now: now, answer: reads(states(normal, "orders")), health: func(time.Duration) (*sdk.HealthReport, *failure.Error) { return &sdk.HealthReport{}, nil }}
	if took := b.run(t); !d.Unwell() || took > restartLeast+time.Second {
		t.Errorf("it is %s after %s", b, took)
	}
}

// TestOfAGatewayOnlyTheDomainsAreReadAgainThatLackSomething, and at the end once
// more all of them: what went down meanwhile is not back either.
func TestOfAGatewayOnlyTheDomainsAreReadAgainThatLackSomething(t *testing.T) {
	t.Parallel()
	spec := wayOfDevice
	spec.Up, spec.Healthy = Objects{"orders": {"Handler in"}, "pay": {"Handler in"}, "stock": {"Handler in"}}, 5*time.Minute
	for name, c := range map[string]struct {
		up   func(domain string, at time.Duration) bool
		back time.Duration // 0: it is given up
	}{
		"one is late": {func(domain string, at time.Duration) bool { return domain != "pay" || at > 40*time.Second }, 40 * time.Second},
		"another goes down meanwhile": {func(domain string, at time.Duration) bool {
			return domain == "orders" || domain == "pay" && at > 40*time.Second || domain == "stock" && (at < 20*time.Second || at > 90*time.Second)
		}, 90 * time.Second},
		"another stays down meanwhile": {func(domain string, at time.Duration) bool {
			return domain == "orders" || domain == "pay" && at > 40*time.Second || domain == "stock" && at < 20*time.Second
		}, 0},
	} {
		for entrance, enter := range entrances {
			b := inService(t, enter, spec, nil)
			b.answer = reads(states(normal, "orders", "pay"))
			b.health = func(at time.Duration) (*sdk.HealthReport, *failure.Error) {
				r := &sdk.HealthReport{}
				for domain := range spec.Up {
					if only := b.asked[len(b.asked)-1]; len(only) == 0 || slices.Contains(only, domain) {
						r.Objects = append(r.Objects, sdk.ObjectHealth{Domain: domain, Class: "Handler", Name: "in", Serving: true, Up: c.up(domain, at)})
					}
				}
				return r, nil
			}
			took := b.run(t)
			if b.debt.Returned() != (c.back > 0) || took < c.back {
				t.Errorf("%s, %s: it is %s after %s", name, entrance, b, took)
			}
			first, second, last := b.asked[0], b.asked[1], b.asked[len(b.asked)-1]
			if len(first) > 0 || !slices.Equal(second, []string{"pay"}) || b.debt.Returned() && len(last) > 0 {
				t.Errorf("%s, %s: first %v are read, then %v, at last %v", name, entrance, first, second, last)
			}
			if all := slices.IndexFunc(b.asked[1:], func(of []string) bool { return len(of) == 0 }); all < 2 {
				t.Errorf("%s, %s: %v are read", name, entrance, b.asked)
			}
		}
	}
}
