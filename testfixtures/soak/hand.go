package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dprun/dprun/runner"
)

// blow is something done to a run's process.
type blow struct {
	name  string
	group bool // to its whole process group
	stop  bool // with a stop first, from which it goes on or not
	dies  bool
	all   bool // the guard and the plugins with it, as when the machine loses its power
}

// blows are as likely as often they stand here.
func blows() []blow {
	killed, group := blow{name: "killed", dies: true}, blow{name: "group killed", group: true, dies: true}
	return []blow{
		killed, killed, killed, killed, group, group, group,
		{name: "stopped, goes on", stop: true}, {name: "stopped, goes on", stop: true}, {name: "stopped, killed", stop: true, dies: true},
		{name: "group stopped, goes on", group: true, stop: true}, {name: "group stopped, killed", group: true, stop: true, dies: true},
		{name: "killed with guard and plugins", dies: true, all: true},
	}
}

// overdue is longer than any target of the plans may be out of service: a guard
// brings back what a run that is stopped for so long has quiesced.
const overdue = 4 * time.Minute

// hand starts a run after the other, and strikes each.
func (r *round) hand(ctx context.Context, n int, random *rand.Rand) error {
	all := blows()
	for k := 0; ctx.Err() == nil && r.take(); k++ {
		devices := r.choose(random)
		plan := planName(n, random.IntN(plansOfHand))
		before := r.pending()
		p, err := r.start(fmt.Sprintf("apply-%d-%d", n, k), "apply", "--yes", "--plan", plan, "--only", "device="+strings.Join(devices, ",device="), "plan.hcl")
		if err != nil {
			return err
		}
		begun := time.Now()
		r.use(n, devices)
		name := fmt.Sprintf("run %d of hand %d, process %d", k, n, p.cmd.Process.Pid)
		r.note("%s: apply %s of %v", name, plan, devices)
		b := all[random.IntN(len(all))]
		struck := false
		if r.moment(ctx, p, devices, before, random) {
			struck = r.strike(ctx, p, b, name, random)
		}
		if !struck {
			r.giveBack()
		}
		if ctx.Err() != nil { // the time is over, or something does not hold
			p.signal(syscall.SIGTERM, false)
		}
		if !r.ends(p) {
			return nil
		}
		r.note("%s: exit %d", name, p.code())
		if p.code() != -1 {
			r.exited(p, 0, 1, 3, runner.ExitRunning, runner.ExitNothing, runner.ExitOwed, 143)
		}
		if !struck && p.code() != runner.ExitRunning {
			r.lasted(time.Since(begun))
		}
		if err := r.named(); err != nil {
			return err
		}
		if p.code() == runner.ExitRunning || random.IntN(3) == 0 {
			pause(ctx, between(random, 0, 3*time.Second))
		}
	}
	return nil
}

// take takes one of the kills that are to come; giveBack says that it was not made.
func (r *round) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kills == 0 || time.Now().After(r.end) {
		return false
	}
	r.kills--
	return true
}

func (r *round) giveBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kills++
}

func (r *round) use(hand int, devices []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.using[hand] = devices
}

// lasted notes how long a run took that nothing was done to.
func (r *round) lasted(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.typical = (3*r.typical + min(d, time.Minute)) / 4
}

// choose chooses pairs; of some of them one member alone.
func (r *round) choose(random *rand.Rand) (out []string) {
	pairs := random.Perm(r.options.Pairs)[:min(r.options.Pairs, 2+random.IntN(4))]
	for _, n := range pairs {
		members := []string{"a", "b"}
		if random.IntN(5) == 0 {
			members = members[random.IntN(2):][:1]
		}
		for _, m := range members {
			out = append(out, fmt.Sprintf("pair-%03d-%s", n+1, m))
		}
	}
	return out
}

// moment waits for the moment of a blow: mostly soon after something was
// quiesced, otherwise any. False: the process has ended before.
func (r *round) moment(ctx context.Context, p *process, devices []string, before map[string]string, random *rand.Rand) bool {
	r.mu.Lock()
	most := r.typical
	r.mu.Unlock()
	if random.IntN(3) > 0 {
		quiesces := func() bool {
			for file, text := range r.pending() {
				if _, old := before[file]; !old && slices.ContainsFunc(devices, func(d string) bool { return strings.Contains(text, `"`+d+`"`) }) {
					return true
				}
			}
			return false
		}
		for !quiesces() && ctx.Err() == nil {
			if p.wait(20 * time.Millisecond) {
				return false
			}
		}
		most = 2 * time.Second
	}
	return !p.wait(between(random, 0, most)) && ctx.Err() == nil
}

// pending are the files of what is owed, which are there from right before a quiesce on.
func (r *round) pending() map[string]string {
	out := map[string]string{}
	names, _ := filepath.Glob(filepath.Join(r.state(), "pending", "*.json"))
	for _, n := range names {
		text, _ := os.ReadFile(n) // it may be done by now
		out[n] = string(text)
	}
	return out
}

// strike does the blow. False: the process has ended before it was hit.
func (r *round) strike(ctx context.Context, p *process, b blow, name string, random *rand.Rand) bool {
	down := len(downSince(r.fleet.State().Devices))
	r.note("%s: %s, while %d domains are down", name, b.name, down)
	if b.stop {
		p.signal(syscall.SIGSTOP, b.group)
		for !p.stopped() {
			if p.wait(5 * time.Millisecond) {
				return false
			}
		}
		lasts := between(random, 200*time.Millisecond, 10*time.Second)
		if random.IntN(20) == 0 && r.options.LongStops {
			lasts = overdue + between(random, 0, 30*time.Second)
		}
		pause(ctx, lasts)
		r.note("%s: after %s it is let go on, or killed", name, lasts.Round(time.Millisecond))
		if !b.dies {
			p.signal(syscall.SIGCONT, b.group)
		}
	}
	switch {
	case b.all:
		p.signal(syscall.SIGSTOP, false) // so that it starts no other guard
		for !p.stopped() {
			if p.wait(5 * time.Millisecond) {
				return false
			}
		}
		for _, pid := range append(children(p.cmd.Process.Pid), p.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	case b.dies:
		p.signal(syscall.SIGKILL, b.group)
	}
	if b.dies && (!r.ends(p) || p.code() != -1) {
		return false
	}
	r.killed(b.name, down)
	return true
}

// killed counts a kill, which was made while so many domains were down.
func (r *round) killed(kind string, down int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures.Kills[kind]++
	if down > 0 {
		r.figures.KillsWhileDown++
	}
}
