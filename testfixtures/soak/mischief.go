package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// mischief is something that goes wrong with a gateway, for a while.
type mischief struct {
	faults []dpsim.Fault
	reboot bool
	down   bool
}

// mischiefs are all that happens to gateways; each is as likely as the others.
func mischiefs() []mischief {
	fault := func(kinds ...string) (m mischief) {
		for _, k := range kinds {
			m.faults = append(m.faults, dpsim.Fault{Kind: k})
		}
		return m
	}
	with := func(f dpsim.Fault) mischief { return mischief{faults: []dpsim.Fault{f}} }
	return []mischief{
		fault("unquiesce_stuck"), fault("unquiesce_stuck"), fault("unquiesce_refused"), fault("unquiesce_ignored"), fault("unquiesce_error"),
		fault("quiesce_refused"), fault("quiesce_stuck"), fault("quiesce_error"),
		with(dpsim.Fault{Kind: "quiesce_late", Duration: "3s"}), with(dpsim.Fault{Kind: "objects_down", Duration: "2s"}),
		fault("garbage"), fault("http_error"), fault("close"), fault("row_missing"), fault("no_rows"), fault("wrong_part"),
		with(dpsim.Fault{Kind: "latency", Duration: "700ms"}), with(dpsim.Fault{Kind: "hang", Operation: "do-export"}),
		with(dpsim.Fault{Kind: "no_reply_but_done", Operation: "do-action"}), with(dpsim.Fault{Kind: "garbage", Operation: "do-action"}),
		{reboot: true}, {reboot: true}, {down: true},
	}
}

func (m mischief) String() string {
	switch {
	case m.reboot:
		return "reboots"
	case m.down:
		return "is out of reach"
	}
	return fmt.Sprintf("has the fault %s %s", m.faults[0].Kind, m.faults[0].Operation)
}

// disturb has gateways in use fail, until ctx ends.
func (r *round) disturb(ctx context.Context, random *rand.Rand) error {
	all := mischiefs()
	for pause(ctx, between(random, 100*time.Millisecond, 2*r.options.Mischief)) {
		devices := r.inUse()
		if len(devices) == 0 {
			continue
		}
		device, m, lasts := devices[random.IntN(len(devices))], all[random.IntN(len(all))], between(random, time.Second, 12*time.Second)
		r.note("%s %s for %s", device, m, lasts.Round(time.Millisecond))
		r.count(m)
		switch {
		case m.reboot:
			if err := r.fleet.Edit(dpsim.Edit{Device: device, Reboot: true, Outage: lasts.String()}); err != nil {
				return err
			}
			continue
		case m.down:
			if err := r.setDown(device, true); err != nil {
				return err
			}
		}
		for _, f := range m.faults {
			f.Device = device
			if err := r.fleet.AddFault(f); err != nil {
				return err
			}
		}
		r.ending.Go(func() {
			pause(ctx, lasts)
			if m.down {
				r.fail(r.setDown(device, false))
			}
			for _, f := range m.faults {
				r.fail(r.fleet.ClearFaults(dpsim.Fault{Device: device, Kind: f.Kind}))
			}
			r.note("%s is well again after this: it %s", device, m)
		})
	}
	return nil
}

func (r *round) setDown(device string, down bool) error {
	return r.fleet.Edit(dpsim.Edit{Device: device, Down: &down})
}

// between is a random time.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// pause waits; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
