package appliance

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"
)

// State is everything a test may want to know of a gateway.
type State struct {
	Name             string         `json:"name"`
	Up               bool           `json:"up"`
	Serial           string         `json:"serial"`
	Firmware         string         `json:"firmware"`
	Total            int            `json:"total"`      // requests, failed logins included
	Operations       map[string]int `json:"operations"` // requests by operation
	FailedLogins     int            `json:"failed_logins"`
	MaxInFlight      int            `json:"max_in_flight"` // most requests at one time
	FreeTemporaryMB  int64          `json:"free_temporary_mb"`
	Crossed          int            `json:"crossed"` // files that left less of temporary: free than its limit
	Domains          []DomainState  `json:"domains"`
	Exports          []Served       `json:"exports"`
	Files            []FileState    `json:"files"`
	SecureBackupBusy bool           `json:"secure_backup_running"`
	// Started is what imports have set off, by objects that were enabled when they
	// came: it stays when the domain goes.
	Started []string `json:"started,omitempty"`
}

// DomainState is a domain's part of State.
type DomainState struct {
	Name           string         `json:"name"`
	QuiesceState   string         `json:"quiesce_state"`
	SaveNeeded     bool           `json:"save_needed"`
	CurrentCommand string         `json:"current_command"`
	Operations     map[string]int `json:"operations"`
	Outages        []Outage       `json:"outages"`              // by quiesces, the oldest first
	ImportLog      []string       `json:"import_log,omitempty"` // what the log says of imports
}

// Outage is a time for which a domain was not in service by a quiesce. A reboot ends it.
type Outage struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"` // zero: it goes on
}

// Served is the last archive that went out whole, by operation, domain and
// configuration.
type Served struct {
	Operation string `json:"operation"`
	Domain    string `json:"domain"` // of do-backup: the names, joined by commas
	Persisted bool   `json:"persisted"`
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	Count     int    `json:"count"`
}

type servedKey struct {
	operation, domain string
	persisted         bool
}

// FileState is a file on the gateway.
type FileState struct {
	Domain string `json:"domain"`
	Path   string `json:"path"` // temporary:/sb/root.tgz
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

// Request is one line of a gateway's request log.
type Request struct {
	Time      time.Time `json:"time"`
	Device    string    `json:"device"`
	Operation string    `json:"operation"`
	Domain    string    `json:"domain"`
	Fault     string    `json:"fault,omitempty"`
}

// requestsKept bounds the request log of a gateway.
const requestsKept = 20_000

// State is a snapshot of the gateway.
func (a *Appliance) State() State {
	rows := a.Domains()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := State{
		Name: a.name, Up: a.up, Serial: a.serial, Firmware: a.profile.Version,
		Total: a.total, Operations: maps.Clone(a.operations), FailedLogins: a.failed, MaxInFlight: a.maxInFlight,
		Crossed: a.crossed, Started: slices.Clone(a.setOff),
		FreeTemporaryMB: a.freeTemporary() / 1_000_000, SecureBackupBusy: a.securing,
		Exports: []Served{}, Files: []FileState{},
	}
	for i, d := range a.domains {
		if i >= len(rows) || rows[i].Name != d.name {
			continue // a domain went away in between
		}
		s.Domains = append(s.Domains, DomainState{
			Name: d.name, QuiesceState: d.state, SaveNeeded: d.saveNeeded, CurrentCommand: d.currentCommand(), Operations: maps.Clone(d.operations),
			Outages: slices.Clone(d.outages), ImportLog: slices.Clone(d.imports),
		})
	}
	for _, served := range a.served {
		s.Exports = append(s.Exports, served)
	}
	sort.Slice(s.Exports, func(i, j int) bool {
		x, y := s.Exports[i], s.Exports[j]
		return fmt.Sprint(x.Operation, x.Domain, x.Persisted) < fmt.Sprint(y.Operation, y.Domain, y.Persisted)
	})
	for domain, files := range a.files {
		for name := range files {
			if f := a.seen(domain, name); f != nil {
				row := FileState{Domain: domain, Path: name, Size: f.Size}
				if f.blob != nil {
					row.SHA256 = f.blob.SHA256
				}
				s.Files = append(s.Files, row)
			}
		}
	}
	sort.Slice(s.Files, func(i, j int) bool { return s.Files[i].Path < s.Files[j].Path })
	return s
}

// Begin counts a request that has arrived; the function it returns ends it.
func (a *Appliance) Begin() func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total++
	a.inFlight++
	a.maxInFlight = max(a.maxInFlight, a.inFlight)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.inFlight--
	}
}

// Count records what a request asked for.
func (a *Appliance) Count(op string, domains []string, fault string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.operations[op]++
	first := ""
	for i, name := range domains {
		if i == 0 {
			first = name
		}
		if d := a.domain(name); d != nil {
			d.operations[op]++
		}
	}
	if len(a.log) < requestsKept {
		a.log = append(a.log, Request{Time: a.Now(), Device: a.name, Operation: op, Domain: first, Fault: fault})
	}
}

// CountFailedLogin records a refused login.
func (a *Appliance) CountFailedLogin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed++
}

// CountServed records an archive that went out whole.
func (a *Appliance) CountServed(s Served) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := servedKey{s.Operation, s.Domain, s.Persisted}
	s.Count = a.served[key].Count + 1
	a.served[key] = s
}

// Requests is the request log.
func (a *Appliance) Requests() []Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Request(nil), a.log...)
}

// ResetCounters forgets requests, failed logins and served archives.
func (a *Appliance) ResetCounters() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total, a.failed, a.maxInFlight = 0, 0, a.inFlight
	a.log = nil
	clear(a.operations)
	clear(a.served)
	for _, d := range a.domains {
		clear(d.operations)
	}
}
