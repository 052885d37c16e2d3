package runner

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// CheckRequest asks what the next run of a plan would meet.
type CheckRequest struct {
	Source Source
	Plan   string
	Only   string
	// Inventory is what the devices show to an account that may read everything.
	// Nil: nothing is compared.
	Inventory report.Inventory
}

// checksAtOnce limits how many devices are checked at the same time.
const checksAtOnce = 8

// Check examines everything that a run of the plan needs. It only reads from
// devices, writes and removes a few bytes at destinations, and runs no script. It
// returns neither a report nor an error if the diagnostics say that the plan is
// wrong.
func (r *Runner) Check(ctx context.Context, q CheckRequest) (*report.Check, *report.Result, error) {
	res := &report.Result{}
	loaded, p, spec, err := r.foresee(ctx, PreviewRequest{Source: q.Source, Plan: q.Plan, Only: q.Only}, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	op := r.begin(Operation{})
	l, err := r.startLook(ctx, op, loaded, p, &spec)
	if err != nil {
		return nil, res, err
	}
	defer l.close()
	c := &checking{look: l, loaded: loaded, spec: spec, expected: q.Inventory, shown: report.Inventory{}}
	c.ofPlan(ctx, op, p)
	c.scripts(ctx)
	machine, seen := l.upToTasks(ctx, spec)
	c.destinations(machine, seen)
	if len(spec.Destinations) > 0 && len(machine.Unusable()) == len(spec.Destinations) {
		alone := spec // the devices are checked in any case
		alone.Destinations = nil
		machine, seen = l.upToTasks(ctx, alone)
	}
	c.devices(ctx, machine, seen)
	if err := ctx.Err(); err != nil {
		return nil, res, err
	}
	out := c.report(p)
	if e := op.owed(ctx).ExitCode; e == ExitOwed || e == ExitAway {
		out.ExitCode = e
	}
	res.ExitCode = out.ExitCode
	return out, res, nil
}

// checking is one check under way.
type checking struct {
	*look
	loaded   *Loaded
	spec     lifecycle.RunSpec
	subjects []report.CheckSubject
	expected report.Inventory

	mu    sync.Mutex
	shown report.Inventory
}

// about adds findings about a subject, the worst first.
func (c *checking) about(kind report.CheckKind, name string, findings ...sdk.Finding) {
	for i := range findings {
		f := &findings[i]
		f.Message, f.Remedy, f.Subject = c.redact.Redact(f.Message), c.redact.Redact(f.Remedy), c.redact.Redact(f.Subject)
	}
	slices.SortStableFunc(findings, func(a, b sdk.Finding) int { return cmp.Compare(gravity(a.Level), gravity(b.Level)) })
	c.subjects = append(c.subjects, report.CheckSubject{Kind: kind, Name: name, Findings: findings})
}

// gravity orders findings, the worst first.
func gravity(l sdk.Level) int {
	return slices.Index([]sdk.Level{sdk.LevelError, sdk.LevelWarning, sdk.LevelNotProven, sdk.LevelOK}, l)
}

// report counts the findings, and sets the exit code for a scheduler.
func (c *checking) report(p *plan.Plan) *report.Check {
	out := &report.Check{Plan: p.Name, Only: c.spec.Only, Subjects: c.subjects, Inventory: c.shown}
	var failed, of = map[report.CheckKind]int{}, map[report.CheckKind]int{}
	for _, s := range c.subjects {
		n := s.Counts()
		out.Errors, out.Warnings, out.NotProven, out.OK = out.Errors+n.Errors, out.Warnings+n.Warnings, out.NotProven+n.NotProven, out.OK+n.OK
		of[s.Kind]++
		if n.Errors > 0 {
			failed[s.Kind]++
		}
	}
	all := func(k report.CheckKind) bool { return of[k] > 0 && failed[k] == of[k] }
	switch {
	case failed[report.CheckPlan] > 0, all(report.CheckDestination):
		out.ExitCode = ExitCheck
	case all(report.CheckDevice):
		out.ExitCode = 1
	case out.Errors > 0:
		out.ExitCode = 3
	}
	return out
}

// ofPlan checks the window and the state directory.
func (c *checking) ofPlan(ctx context.Context, op *operation, p *plan.Plan) {
	findings := windowFindings(c.spec, c.Clock.Now())
	due := report.Unheld(op.owed(ctx).Owed)
	for _, o := range due {
		findings = append(findings, sdk.Finding{Check: "owed", Level: sdk.LevelError, Subject: o.Device,
			Message: fmt.Sprintf("run %s left something that must be undone: %s since %s", o.Run, o.Kind, o.Since.Format(time.RFC3339)), Remedy: "run dprun owed, and do what it says: the device is left out until then"})
	}
	if len(due) == 0 {
		findings = append(findings, sdk.Finding{Check: "owed", Level: sdk.LevelOK, Message: "no earlier run left anything that must be undone"})
	}
	findings = append(findings, c.stopped(ctx, op)...)
	if held, holder, err := c.locks.Held(lock.PlanKey(p.Name, originOf(c.loaded, p))); err == nil && held {
		findings = append(findings, sdk.Finding{Check: "running", Level: sdk.LevelWarning, Message: "the plan is being run now: " + holder.String(), Remedy: "check again when it has ended: what it works on now counts as busy or as out of service"})
	}
	findings = append(findings, c.stagingRoom()...)
	c.about(report.CheckPlan, p.Name, findings...)
}

// stopped returns what forbids the plan's quiesces: a hold, or a device that did
// not come back.
func (c *checking) stopped(ctx context.Context, op *operation) (out []sdk.Finding) {
	if !slices.ContainsFunc(c.spec.Activities, quiesces) {
		return nil
	}
	stops, err := stops(ctx, op.journal, "")
	if err != nil {
		return []sdk.Finding{{Check: "hold", Level: sdk.LevelError, Message: err.Error()}}
	}
	for _, s := range stops {
		f := sdk.Finding{Check: "hold", Level: sdk.LevelError, Subject: s.Device, Message: fmt.Sprintf("nothing may be quiesced since %s, set by %s: %s", s.Since.Format(time.RFC3339), s.By, s.Reason), Remedy: "dprun hold --release, when the reason is gone"}
		if s.Device != "" {
			f.Check, f.Message, f.Remedy = "breaker", fmt.Sprintf("nothing may be quiesced since %s, because this device did not come back: %s", s.Since.Format(time.RFC3339), s.Reason), "dprun recover; dprun owed says more"
		}
		if s.Environment != "" {
			f.Message = s.Environment + ": " + f.Message
		}
		out = append(out, f)
	}
	return out
}

// stagingRoom compares the free room for captures with the sizes of the last good
// ones.
func (c *checking) stagingRoom() []sdk.Finding {
	free, err := c.staging.Free()
	if err != nil {
		return []sdk.Finding{{Check: "staging", Level: sdk.LevelError, Message: err.Error(), Remedy: "make sure that the state directory exists and can be written"}}
	}
	var largest, total int64
	for _, n := range c.spec.LastSize {
		largest, total = max(largest, n), total+n
	}
	f := sdk.Finding{Check: "staging", Level: sdk.LevelOK, Message: fmt.Sprintf("the state directory has %d MB free; the last good backups took %d MB together", free>>20, total>>20)}
	if need := largest + largest/2; free < need {
		f.Level, f.Message = sdk.LevelError, fmt.Sprintf("the state directory has %d MB free, and the largest of the last good backups took %d MB", free>>20, largest>>20)
		f.Remedy = "make room, or use another --state-dir: captures are staged there before they are stored"
	}
	return []sdk.Finding{f}
}

// windowFindings checks the plan's window.
func windowFindings(s lifecycle.RunSpec, now time.Time) []sdk.Finding {
	const check = "window"
	if s.Window == nil {
		return []sdk.Finding{{Check: check, Level: sdk.LevelOK, Message: "the plan has no window: it may run at any time"}}
	}
	says, open := windowStands(s.Window, now)
	f := sdk.Finding{Check: check, Level: sdk.LevelOK, Subject: s.Window.Name, Message: says}
	opens, ok := now, open
	if !open {
		opens, ok = s.Window.OpensAt(now)
	}
	if !ok {
		f.Level, f.Remedy = sdk.LevelError, "correct the window: no run can begin"
		return []sdk.Finding{f}
	}
	return append([]sdk.Finding{f}, windowLength(s, *s.Window, opens)...)
}

// windowLength compares the next opening of a window with the time that a task
// that quiesces needs before it may begin.
func windowLength(s lifecycle.RunSpec, w window.Window, opens time.Time) []sdk.Finding {
	if !slices.ContainsFunc(s.Activities, quiesces) {
		return nil
	}
	need := s.Timeouts.Quiesce + s.Timeouts.Unquiesce + 2*s.Timeouts.Grace
	closes, ends := w.ClosesAt(opens)
	if !ends || closes.Sub(opens) > need {
		return nil
	}
	return []sdk.Finding{{Check: "window", Level: sdk.LevelError, Subject: w.Name,
		Message: fmt.Sprintf("from %s the window is open for %s, and a task that quiesces begins only while %s are left of it (quiesce, unquiesce and twice grace)", w.Say(opens), closes.Sub(opens).Round(time.Second), need),
		Remedy:  "make the window longer, or the plan's timeouts shorter"}}
}

func quiesces(a lifecycle.Activity) bool {
	return a.Quiesce == lifecycle.QuiesceDomain || a.Quiesce == lifecycle.QuiesceDevice
}

// destinations returns the findings of the run's own check of the destinations.
func (c *checking) destinations(machine *lifecycle.Run, seen *answers) {
	unusable := map[string]lifecycle.Unusable{}
	for _, u := range machine.Unusable() {
		unusable[u.Name] = u
	}
	for _, d := range c.spec.Destinations {
		var findings []sdk.Finding
		rep := seen.destinations[d.Name]
		switch u, bad := unusable[d.Name]; {
		case bad:
			e, _ := status.Lookup(u.Code)
			findings = append(findings, sdk.Finding{Check: "store", Level: sdk.LevelError, Subject: string(u.Code), Message: u.Message, Remedy: e.Action})
		case rep == nil:
			findings = append(findings, sdk.Finding{Check: "store", Level: sdk.LevelError, Message: "its check did not finish"})
		default:
			text := "a few bytes were stored, read and removed"
			if rep.WriteOnly != "" {
				text = "a few bytes were stored and removed; they could not be read: " + rep.WriteOnly
			}
			if rep.Free >= 0 {
				text += fmt.Sprintf("; %d MB are free", rep.Free>>20)
			}
			findings = append(findings, sdk.Finding{Check: "store", Level: sdk.LevelOK, Subject: rep.Location, Message: text})
		}
		if rep != nil {
			for _, w := range rep.Warnings {
				findings = append(findings, sdk.Finding{Check: "store", Level: sdk.LevelWarning, Subject: rep.Location, Message: w})
			}
		}
		c.about(report.CheckDestination, d.Name, findings...)
	}
}

// ofDevice holds the tasks of one device.
type ofDevice struct {
	name  string
	tasks []*lifecycle.Task
}

// devices checks every device, several at the same time.
func (c *checking) devices(ctx context.Context, machine *lifecycle.Run, seen *answers) {
	byName := map[string]*ofDevice{}
	var order []*ofDevice
	for _, a := range c.spec.Activities {
		for _, name := range a.Devices {
			if byName[name] == nil {
				byName[name] = &ofDevice{name: name}
				order = append(order, byName[name])
			}
		}
	}
	for _, t := range machine.Tasks() {
		if d := byName[t.Spec().Device]; d != nil {
			d.tasks = append(d.tasks, t)
		}
	}
	found := make([][]sdk.Finding, len(order))
	var wg sync.WaitGroup
	slots := make(chan struct{}, checksAtOnce)
	for i, d := range order {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[i] = c.device(ctx, d, seen)
		})
	}
	wg.Wait()
	boxes := map[string][]string{}
	for _, d := range order {
		if in := seen.inspections[d.name]; in != nil && in.Facts.Identity != "" {
			boxes[in.Facts.Identity] = append(boxes[in.Facts.Identity], d.name)
		}
	}
	for i, d := range order {
		if in := seen.inspections[d.name]; in != nil {
			if names := boxes[in.Facts.Identity]; len(names) > 1 {
				found[i] = append(found[i], sdk.Finding{Check: "identity", Level: sdk.LevelWarning, Subject: in.Facts.Identity,
					Message: "the plan has this box under several names: " + join(names), Remedy: "remove the device that is listed twice, or correct its host"})
			}
		}
		c.about(report.CheckDevice, d.name, found[i]...)
	}
	for _, a := range c.spec.Activities {
		for _, p := range a.Unmatched {
			c.about(report.CheckDevice, p, sdk.Finding{Check: "match", Level: sdk.LevelError, Subject: a.Name, Message: "no device of the plan matches " + p, Remedy: "check the pattern, or remove it"})
		}
	}
}

// peers reports whether the other members of a device's group serve what will be
// quiesced on the device. It does not ask members again that this check has
// asked: a refused login would count twice.
func (c *checking) peers(ctx context.Context, d *ofDevice, seen *answers) []sdk.Finding {
	var specs []lifecycle.TaskSpec
	for _, t := range d.tasks {
		if s := t.Spec(); t.Final() == nil && s.Group != "" && s.Guard.Peers && s.Quiesces() {
			specs = append(specs, s)
		}
	}
	if len(specs) == 0 {
		return nil
	}
	f := sdk.Finding{Check: "peers", Level: sdk.LevelOK, Subject: specs[0].Group, Message: "the other members of its group serve: " + join(specs[0].Peers)}
	if len(specs[0].Peers) == 0 {
		f.Level, f.Message, f.Remedy = sdk.LevelWarning, "it is the only member of its group: nothing else serves while it is quiesced", "give its peers the same group, in whichever plan they are"
		return []sdk.Finding{f}
	}
	var away []string
	for _, s := range specs {
		why, err := c.away(ctx, s, seen)
		if err != nil {
			why = append(why, failure.From(err).Message)
		}
		for _, w := range why {
			if !slices.Contains(away, w) {
				away = append(away, w)
			}
		}
	}
	if len(away) > 0 {
		f.Level, f.Message, f.Remedy = sdk.LevelError, "members of its group do not serve: "+strings.Join(away, "; "), "bring them back first: until then, quiesce_guard does not allow a quiesce of this one"
	}
	return []sdk.Finding{f}
}

// away returns the members of the group that do not serve the target of a task,
// and the reasons.
func (c *checking) away(ctx context.Context, s lifecycle.TaskSpec, seen *answers) (away []string, err error) {
	ask := s
	ask.Peers = nil
	for _, name := range s.Peers {
		in := seen.inspections[name]
		switch {
		case seen.failures[name] != nil:
			away = append(away, name+" (it cannot be asked)")
		case in == nil:
			ask.Peers = append(ask.Peers, name)
		default:
			if why := notServing(in, s); why != "" {
				away = append(away, name+" ("+why+")")
			}
		}
	}
	if len(ask.Peers) == 0 {
		return away, nil
	}
	r, err := c.exec.Do(ctx, engine.Job{Task: &ask, Action: lifecycle.Action{ActionID: lifecycle.ActionID{Kind: lifecycle.ActPeers}, Task: s.ID, Device: s.Device, Domain: s.Domain}})
	if err != nil {
		return away, err
	}
	for _, p := range r.Peers {
		away = append(away, p.Device+" ("+p.Why+")")
	}
	return away, nil
}

// notServing returns why an inspection does not show the target of a task in
// service; empty: it does.
func notServing(in *sdk.Inspection, s lifecycle.TaskSpec) string {
	device := s.Activity.Quiesce == lifecycle.QuiesceDevice
	found := false
	for _, d := range in.Domains {
		if !device && d.Name != s.Domain {
			continue
		}
		found = true
		if d.QuiesceState != sdk.StateNormal && !(device && d.Name == "default") {
			return fmt.Sprintf("domain %s is %s", d.Name, d.QuiesceState)
		}
	}
	if !found {
		return "it has no domain " + s.Domain
	}
	return ""
}

// weighed changes the levels of findings about failover roles and API Connect to
// what the plan's quiesce_guard says.
func weighed(findings []sdk.Finding, g lifecycle.Guard) []sdk.Finding {
	for i := range findings {
		f := &findings[i]
		switch {
		case f.Check == "role" && f.Level == sdk.LevelError && !g.RefuseActive:
			f.Level = sdk.LevelWarning
		case f.Check == "apic" && f.Level == sdk.LevelWarning && g.RefuseAPIConnect:
			f.Level = sdk.LevelError
		}
	}
	return findings
}

// device returns what the tasks of a device would meet there.
func (c *checking) device(ctx context.Context, d *ofDevice, seen *answers) []sdk.Finding {
	in, f := seen.inspections[d.name], seen.failures[d.name]
	var out []sdk.Finding
	switch {
	case f != nil:
		out = append(out, inspectFinding(d.name, f))
		if f.Reason != failure.NotPermitted {
			return out
		}
	case in != nil:
		out = append(out, factFindings(in, c.largest(d))...)
		out = append(out, taskFindings(d.tasks)...)
	default: // it was not asked, and its tasks say why
		return taskFindings(d.tasks)
	}
	activities, err := c.preflightOf(ctx, d, in)
	if err != nil {
		return append(out, failureFinding("config", d.name, err))
	}
	rep, offered, err := c.exec.Preflight(ctx, d.name, sdk.PreflightRequest{Activities: activities})
	switch {
	case err != nil:
		return append(out, failureFinding("preflight", d.name, err))
	case !offered:
		return append(out, sdk.Finding{Check: "preflight", Level: sdk.LevelNotProven, Message: "its plugin does not check permissions and settings beforehand"})
	}
	c.mu.Lock()
	c.shown.Add(d.name, rep.Objects)
	shown := c.shown[d.name]
	c.mu.Unlock()
	out = append(append(out, weighed(rep.Findings, c.spec.Guard)...), c.peers(ctx, d, seen)...)
	if c.expected == nil {
		return out
	}
	return append(out, inventoryFindings(c.expected[d.name], shown)...)
}

// inventoryFindings compares what an account is shown with the inventory, in the
// domains that were read.
func inventoryFindings(expected, shown map[string]map[string]int) []sdk.Finding {
	const check = "objects"
	if expected == nil {
		return []sdk.Finding{{Check: check, Level: sdk.LevelNotProven, Message: "the inventory does not have the device", Remedy: "write the inventory again, with an account that may read everything"}}
	}
	var out []sdk.Finding
	total := 0
	for _, domain := range slices.Sorted(maps.Keys(shown)) {
		if expected[domain] == nil {
			out = append(out, sdk.Finding{Check: check, Level: sdk.LevelNotProven, Subject: domain, Message: "the inventory does not have the domain", Remedy: "write the inventory again, with an account that may read everything"})
			continue
		}
		for _, class := range slices.Sorted(maps.Keys(expected[domain])) {
			want, have := expected[domain][class], shown[domain][class]
			total += want
			if have < want {
				out = append(out, sdk.Finding{Check: check, Level: sdk.LevelError, Subject: domain + "/" + class,
					Message: fmt.Sprintf("the user is shown %d of %d objects of the class that the inventory has", have, want),
					Remedy:  "give the user read access to the class, or write the inventory again if objects were removed: an export leaves out, without a word, what the account cannot read"})
			}
		}
	}
	if len(out) == 0 {
		out = append(out, sdk.Finding{Check: check, Level: sdk.LevelOK, Message: fmt.Sprintf("the user is shown every object of the inventory, %d in all", total)})
	}
	return out
}

// preflightOf returns the activities on a device, with the domains that they
// would work on.
func (c *checking) preflightOf(ctx context.Context, d *ofDevice, in *sdk.Inspection) (out []sdk.PreflightActivity, err error) {
	for _, a := range c.spec.Activities {
		if !slices.Contains(a.Devices, d.name) {
			continue
		}
		p := sdk.PreflightActivity{Activity: a.Type, Quiesce: string(cmp.Or(a.Quiesce, lifecycle.QuiesceNone))}
		at := execute.Scope{Run: "check", Plan: c.spec.Plan, Activity: a.Name, Device: d.name, Stamp: stampShown}
		if a.Scope == schema.ScopeDomain {
			for _, t := range d.tasks {
				if s := t.Spec(); s.Activity.Name == a.Name && in != nil && slices.ContainsFunc(in.Domains, func(h sdk.Domain) bool { return h.Name == s.Domain && !h.APIConnect }) {
					p.Domains = append(p.Domains, s.Domain)
				}
			}
			if len(p.Domains) == 0 && in != nil {
				continue // its tasks say why
			}
			if len(p.Domains) > 0 {
				at.Domain = p.Domains[0]
			}
		}
		if p.Config, err = c.plan.ActivityConfig(ctx, at); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// largest returns the size of the largest of the last good backups of a device,
// in bytes.
func (c *checking) largest(d *ofDevice) (n int64) {
	for _, t := range d.tasks {
		n = max(n, t.Spec().LastSize)
	}
	return n
}

// inspectFinding says why a device could not be inspected.
func inspectFinding(device string, f *failure.Error) sdk.Finding {
	check := "connect"
	switch f.Reason {
	case failure.BadCredentials:
		check = "login"
	case failure.BadCertificate:
		check = "tls.trust"
	case failure.NotPermitted:
		check = "permission"
	}
	return failureFinding(check, device, f)
}

func failureFinding(check, device string, err error) sdk.Finding {
	f := failure.From(err)
	return sdk.Finding{Check: check, Level: sdk.LevelError, Message: strings.TrimPrefix(f.Message, "device "+device+": "), Remedy: f.Remedy}
}

// factFindings returns what an inspection says about the device itself.
func factFindings(in *sdk.Inspection, largest int64) []sdk.Finding {
	f := in.Facts
	out := []sdk.Finding{{Check: "identity", Level: sdk.LevelOK, Subject: f.Identity, Message: fmt.Sprintf("its name is %q, its serial number %s, and it runs %s", f.DeviceName, cmp.Or(f.Serial, "(not told)"), cmp.Or(f.Firmware, "unknown firmware"))}}
	space := sdk.Finding{Check: "space", Level: sdk.LevelOK, Message: fmt.Sprintf("%d MB are free in temporary storage, %d MB in internal storage", f.Space.FreeTemporary/1_000_000, f.Space.FreeInternal/1_000_000)}
	switch need := largest + largest/2; {
	case f.Space.FreeTemporary < 0:
		space.Level, space.Message, space.Remedy = sdk.LevelWarning, "its free room could not be read", "a gateway without free room fails at a backup, and perhaps at its services"
	case f.Space.FreeTemporary < need:
		space.Level, space.Remedy = sdk.LevelError, "make room on the gateway"
		space.Message = fmt.Sprintf("%d MB are free in temporary storage, and a backup may need %d MB (half as much again as the last one)", f.Space.FreeTemporary/1_000_000, need/1_000_000)
	}
	return append(out, space)
}

// taskFindings returns the tasks that would not run, and why.
func taskFindings(tasks []*lifecycle.Task) []sdk.Finding {
	var out []sdk.Finding
	for _, t := range tasks {
		end := t.Final()
		if end == nil {
			continue
		}
		e, _ := status.Lookup(status.Code(end.Code))
		f := sdk.Finding{Check: "task", Level: sdk.LevelError, Subject: t.Spec().ID, Remedy: e.Action,
			Message: "it would end in " + end.Code + ": " + strings.TrimPrefix(end.Message, "device "+t.Spec().Device+": ")}
		if e.Neutral {
			f.Level = sdk.LevelOK
		}
		out = append(out, f)
	}
	return out
}
