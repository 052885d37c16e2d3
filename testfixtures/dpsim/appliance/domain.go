package appliance

import (
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
	"github.com/dprun/dprun/testfixtures/dpsim/fabricate"
)

// Quiesce states as status providers write them.
const (
	Normal      = ""
	Quiescing   = "quiescing"
	Quiesced    = "quiesced"
	Unquiescing = "unquiescing"
	Broken      = "error"
	Unknown     = "unknown quiesce state"
)

type domain struct {
	spec       DomainSpec
	name       string
	size       int64
	saveNeeded bool
	busy       bool
	command    string // set by hand
	commands   map[string]int
	runUntil   map[string]time.Time
	operations map[string]int

	state string
	next  string    // what state becomes at until
	until time.Time // zero: never
	late  []arrival // quiesces that have not begun yet, the next one first

	outages []Outage // the oldest first

	checkpoints []Checkpoint
	objectsDown time.Time // services stay down until then

	// What the domain runs, and what it starts with; nil: as it was delivered.
	running, saved *config.Config
	served         *config.Config   // the objects of the archive that is served as it is
	bare           bool             // it was made while the gateway ran: it holds what every domain holds
	unsaved        bool             // it is not part of default's saved configuration
	files          map[string]*File // as they were delivered, once they were taken out of the archive
	gone           time.Time        // it is being deleted until then
	summary        string           // its comment
	absent         []string         // files that the archive lists as missing
	changes        int              // tells the archives of its configurations apart
	imports        []string         // what the log says of imports
}

func (a *Appliance) makeDomains(spec Spec) error {
	var p parser
	size := p.size("export_size", spec.ExportSize, 64_000)
	specs := map[string]DomainSpec{}
	order := []string{"default"}
	for _, d := range spec.Domains {
		if _, twice := specs[d.Name]; twice {
			return fmt.Errorf("domain %q is there twice", d.Name)
		}
		specs[d.Name] = d
		if d.Name != "default" {
			order = append(order, d.Name)
		}
	}
	for i := range spec.AppDomains {
		name := fmt.Sprintf("app%02d", i+1)
		if _, named := specs[name]; !named {
			order = append(order, name)
		}
	}
	for _, name := range order {
		d := specs[name]
		d.Name = name
		own := p.size("domain "+name+": export_size", d.ExportSize, size)
		if own < fabricate.MinSize && d.Archive == "" && p.err == nil {
			p.err = fmt.Errorf("domain %s: export_size is %d bytes, an archive has at least %d", name, own, fabricate.MinSize)
		}
		state := p.choice("domain "+name+": quiesce_state", d.QuiesceState, Normal, Quiescing, Quiesced, Unquiescing, Broken, Unknown)
		made := newDomain(d, own)
		a.sizes.Store(name, own)
		made.become(a.started, state)
		for i := range d.Checkpoints {
			made.checkpoints = append(made.checkpoints, Checkpoint{Name: fmt.Sprintf("before-%d", i+1), Time: a.started})
		}
		a.domains = append(a.domains, made)
	}
	a.exportSize = size
	return p.err
}

func newDomain(d DomainSpec, size int64) *domain {
	return &domain{
		spec: d, name: d.Name, size: size, saveNeeded: d.SaveNeeded, busy: d.Busy, command: d.CurrentCommand,
		commands: map[string]int{}, runUntil: map[string]time.Time{}, operations: map[string]int{},
	}
}

// arrival is a quiesce that begins some time after its request.
type arrival struct {
	at    time.Time
	lasts time.Duration
}

// settle applies what time has done since the last look.
func (d *domain) settle(now time.Time) {
	for len(d.late) > 0 && !now.Before(d.late[0].at) {
		next := d.late[0]
		d.late = d.late[1:]
		d.step(next.at)
		if d.state != Quiesced {
			d.pass(next.at, Quiescing, Quiesced, next.at.Add(next.lasts))
		}
	}
	d.step(now)
	for command, until := range d.runUntil {
		if !now.Before(until) {
			delete(d.runUntil, command)
		}
	}
}

// step ends the state that was to end by now.
func (d *domain) step(now time.Time) {
	if !d.until.IsZero() && !now.Before(d.until) {
		d.become(d.until, d.next)
	}
}

func (d *domain) become(at time.Time, state string) {
	d.pass(at, state, state, time.Time{})
}

// pass puts the domain into a state, which another one follows.
func (d *domain) pass(at time.Time, state, next string, until time.Time) {
	d.state, d.next, d.until = state, next, until
	switch n := len(d.outages); {
	case state != Normal && (n == 0 || !d.outages[n-1].To.IsZero()):
		d.outages = append(d.outages, Outage{From: at})
	case state == Normal && n > 0 && d.outages[n-1].To.IsZero():
		d.outages[n-1].To = at
	}
}

// currentCommand is what the gateway says it is doing in the domain.
func (d *domain) currentCommand() string {
	if d.command != "" {
		return d.command
	}
	for command := range d.commands {
		return command
	}
	for command := range d.runUntil {
		return command
	}
	return ""
}

func (d *domain) begin(command string) { d.commands[command]++ }

func (d *domain) end(command string) {
	if d.commands[command]--; d.commands[command] <= 0 {
		delete(d.commands, command)
	}
}

// DomainRow is a row of DomainStatus.
type DomainRow struct {
	Name           string
	SaveNeeded     bool
	CurrentCommand string
	QuiesceState   string
	FailsafeMode   string
	APIC           bool
	NoQuiesceState bool // the row lacks the element
	Summary        string
}

// Domains lists the gateway's domains, default first.
func (a *Appliance) Domains() []DomainRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Clock.Now()
	a.sweep()
	var rows []DomainRow
	for _, d := range a.domains {
		d.settle(now)
		row := DomainRow{Name: d.name, SaveNeeded: d.saveNeeded, CurrentCommand: d.currentCommand(), QuiesceState: d.state, FailsafeMode: d.spec.FailsafeMode, APIC: d.spec.APIC, Summary: d.summary}
		if row.FailsafeMode == "" {
			row.FailsafeMode = "none"
		}
		rows = append(rows, row)
	}
	return rows
}

// DomainStatus lists the domains as the status class of that name does, with
// the faults that meet its rows.
func (a *Appliance) DomainStatus() []DomainRow {
	const op = "get-status/DomainStatus"
	rows := a.Domains()
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.takeFault("another_device", op, "default"); f != nil {
		return []DomainRow{{Name: "default", FailsafeMode: "none"}, {Name: "other01", FailsafeMode: "none"}}
	}
	for _, f := range a.faults {
		meets := func(r DomainRow) bool { return f.Domain == r.Name || f.Domain == "" && r.Name != "default" }
		if !slices.Contains([]string{"busy", "row_missing", "no_quiesce_state", "quiesce_state_word"}, f.Kind) || !slices.ContainsFunc(rows, meets) || !f.use() {
			continue
		}
		for i := range rows {
			switch r := &rows[i]; {
			case !meets(*r):
			case f.Kind == "busy":
				r.CurrentCommand = f.text("exec")
			case f.Kind == "no_quiesce_state":
				r.NoQuiesceState = true
			case f.Kind == "quiesce_state_word":
				r.QuiesceState = f.text("resting")
			}
		}
		if f.Kind == "row_missing" {
			rows = slices.DeleteFunc(rows, meets)
		}
	}
	return rows
}

// domain finds a domain; a.mu is held.
func (a *Appliance) domain(name string) *domain {
	a.sweep()
	for _, d := range a.domains {
		if d.name == name {
			d.settle(a.Clock.Now())
			return d
		}
	}
	return nil
}

// sweep takes away the domains whose deletion has ended; a.mu is held.
func (a *Appliance) sweep() {
	if !a.leaving {
		return
	}
	a.leaving = false
	for _, d := range slices.Clone(a.domains) {
		switch {
		case d.gone.IsZero():
		case a.Clock.Now().Before(d.gone):
			a.leaving = true
		default:
			a.removeDomain(d.name)
		}
	}
}

// HasDomain reports whether the domain exists.
func (a *Appliance) HasDomain(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.domain(name) != nil
}

// removeDomain takes a domain away; a.mu is held.
func (a *Appliance) removeDomain(name string) {
	for i, d := range a.domains {
		if d.name == name && name != "default" {
			a.domains = append(a.domains[:i:i], a.domains[i+1:]...)
			delete(a.files, name)
			delete(a.dirs, name)
			return
		}
	}
}

// SaveConfig writes the running configuration of the domain to flash.
func (a *Appliance) SaveConfig(name string) error {
	return a.withDomain(name, func(d *domain) error {
		d.saveNeeded = false
		if d.running != nil {
			d.saved = d.running.AsSaved()
			d.running = d.saved.Clone()
			d.changes++
		}
		if name == "default" {
			for _, made := range a.domains {
				made.unsaved = false
			}
		}
		return nil
	})
}

// RemoveDomain takes a domain away; default cannot be removed.
func (a *Appliance) RemoveDomain(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removeDomain(name)
}

// forgetUnsaved takes away the domains that default's saved configuration does
// not have: it starts again. a.mu is held.
func (a *Appliance) forgetUnsaved() {
	for _, d := range slices.Clone(a.domains) {
		if d.unsaved {
			a.removeDomain(d.name)
		}
	}
}
