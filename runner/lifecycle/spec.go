package lifecycle

import (
	"fmt"
	"reflect"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/sdk/schema"
)

// MachineVersion is journalled with every run: only the same version replays its events.
const MachineVersion = 5

// RunSpec is everything that the run machine decides on, serialisable.
type RunSpec struct {
	ID           string            `json:"id"`
	Plan         string            `json:"plan"`
	Seed         uint64            `json:"seed"` // of the jitter
	Window       *window.Window    `json:"window,omitempty"`
	ErrorPolicy  ErrorPolicy       `json:"error_policy"`
	Limits       Limits            `json:"limits"`
	Timeouts     Timeouts          `json:"timeouts"`
	Guard        Guard             `json:"guard,omitzero"`
	PreScript    *Script           `json:"pre_script,omitempty"`
	PostScript   *Script           `json:"post_script,omitempty"`
	Destinations []Destination     `json:"destinations"`
	Devices      map[string]Device `json:"devices"`
	Activities   []Activity        `json:"activities"`
	// BlockedBoxes says why a box must not be used, by its identity, because a
	// plan may know it by another name than the run that left something to be
	// undone there.
	BlockedBoxes map[string]string `json:"blocked_boxes,omitempty"`
	// LastSize is the size in bytes of the last good capture, by task ID.
	LastSize map[string]int64 `json:"last_size,omitempty"`
	// Usual is how long tasks have kept their devices so far, by task ID.
	Usual map[string]time.Duration `json:"usual,omitempty"`
	// Only is the selection that narrows the run, as it was written.
	Only string `json:"only,omitempty"`
	// LastDomains holds the domains of the last good run, by activity and device ("activity/device").
	LastDomains map[string][]string `json:"last_domains,omitempty"`
	// Staging is how many bytes may wait in staging to be stored. While more do,
	// no task begins. Zero: no bound.
	Staging int64 `json:"staging,omitempty"`
	// AwaitDestinations: no device is contacted before every destination is
	// checked. A run goes on with the first that can be used.
	AwaitDestinations bool `json:"await_destinations,omitempty"`
}

// environment is the environment that a device belongs to, for the breaker.
func (s RunSpec) environment(device string) string {
	value, has := s.Devices[device].Labels[s.Guard.Environment]
	if !has {
		return ""
	}
	return s.Guard.Environment + "=" + value
}

// ErrorPolicy says what a failed task means for the others.
type ErrorPolicy string

// The error policies.
const (
	Ignore ErrorPolicy = "ignore" // the others go on
	Halt   ErrorPolicy = "halt"   // every waiting task is cancelled
)

// Limits bound what runs at once, up to the end of its captures. Destinations
// bound the tasks that only store. Zero: no bound.
type Limits struct {
	Parallel  int            `json:"parallel,omitempty"`
	PerDevice int            `json:"per_device,omitempty"`
	PerLabel  map[string]int `json:"per_label,omitempty"`
}

// Timeouts bound the phases.
type Timeouts struct {
	Queue     time.Duration `json:"queue"`
	Run       time.Duration `json:"run"`
	Quiesce   time.Duration `json:"quiesce"`
	Unquiesce time.Duration `json:"unquiesce"`
	Grace     time.Duration `json:"grace"`
	Store     time.Duration `json:"store"`
	Healthy   time.Duration `json:"healthy,omitempty"`
}

// Guard says what must hold before anything is quiesced.
type Guard struct {
	// MaxDevices bounds how many devices are quiesced at once, and MaxPerGroup
	// how many of one group, over all runs of the state directory. Zero: no bound.
	MaxDevices  int `json:"max_devices,omitempty"`
	MaxPerGroup int `json:"max_per_group,omitempty"`
	// Settle is the pause after the return of a member of a group, during which
	// no other member is quiesced.
	Settle time.Duration `json:"settle,omitempty"`
	// Peers: every other member of the group must be seen in service right before.
	Peers bool `json:"peers,omitempty"`
	// RefuseActive refuses to quiesce a member that is active in a failover
	// group.
	RefuseActive bool `json:"refuse_active,omitempty"`
	// RefuseAPIConnect refuses to quiesce a whole device on which API Connect
	// has a domain.
	RefuseAPIConnect bool `json:"refuse_api_connect,omitempty"`
	// Environment is the label whose value divides devices into environments. A
	// device that did not return stops every quiesce in its environment. Empty:
	// all devices are one.
	Environment string `json:"environment,omitempty"`
}

// Device is what the machines know about a device before it is contacted.
type Device struct {
	Labels map[string]string `json:"labels,omitempty"`
	Group  string            `json:"group,omitempty"`
	// Peers are the other members of the group, over all plans of the state directory.
	Peers []string `json:"peers,omitempty"`
	// Blocked says why the device must not be used, if something must still be
	// undone there.
	Blocked string `json:"blocked,omitempty"`
}

// Destination is what the machines know of a destination.
type Destination struct {
	Name     string  `json:"name"` // address, for example "sftp.offsite"
	Family   string  `json:"family,omitempty"`
	Parallel int     `json:"parallel,omitempty"` // stores at once; zero: no bound
	MinFree  MinFree `json:"min_free,omitzero"`
	// Recipients are the public keys that the destination's files are encrypted
	// for.
	Recipients []string `json:"recipients,omitempty"`
}

// MinFree is the room that must be left: a percentage of the total or bytes.
type MinFree struct {
	Percent float64 `json:"percent,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"`
}

// Script is a script and when it runs.
type Script struct {
	Address string        `json:"address"`
	Timeout time.Duration `json:"timeout,omitempty"`
	When    When          `json:"when,omitempty"` // of a post-script
}

// When says on which outcome a post-script runs.
type When string

// The outcomes.
const (
	Always    When = "always"
	OnSuccess When = "success"
	OnFailure When = "failure"
)

// due reports whether a post-script runs after a result.
func (s *Script) due(failed bool) bool {
	if s == nil {
		return false
	}
	switch s.When {
	case OnSuccess:
		return !failed
	case OnFailure:
		return failed
	}
	return true
}

// QuiesceMode says what is quiesced.
type QuiesceMode string

// The quiesce modes.
const (
	QuiesceNone   QuiesceMode = "none"
	QuiesceDomain QuiesceMode = "domain"
	QuiesceDevice QuiesceMode = "device"
)

// OnBusy says what a quiesce does when traffic does not drain in time.
type OnBusy string

// The ways to treat traffic that does not drain.
const (
	// Abort gives the device a longer limit than ours: we give up first and undo.
	Abort OnBusy = "abort"
	// Force lets the device cut what is left at the limit.
	Force OnBusy = "force"
)

// Activity is one activity of the plan.
type Activity struct {
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Scope       schema.Scope `json:"scope"`
	Exclusive   bool         `json:"exclusive,omitempty"`
	ErrorPolicy ErrorPolicy  `json:"error_policy,omitempty"` // empty: the plan's
	Quiesce     QuiesceMode  `json:"quiesce"`
	OnBusy      OnBusy       `json:"on_busy,omitempty"`
	Devices     []string     `json:"devices"`
	Unmatched   []string     `json:"unmatched,omitempty"`
	// Domains says which domains, and DomainsByDevice where a device differs.
	Domains         pattern.Set            `json:"domains,omitempty"`
	DomainsByDevice map[string]pattern.Set `json:"domains_by_device,omitempty"`
	DependsOn       []string               `json:"depends_on,omitempty"`
	PreScript       *Script                `json:"pre_script,omitempty"`
	PostScript      *Script                `json:"post_script,omitempty"`
	BeforeQuiesce   *Script                `json:"before_quiesce,omitempty"`
	AfterUnquiesce  *Script                `json:"after_unquiesce,omitempty"`
	// Only narrows the domains further (the --only flag).
	Only *pattern.Set `json:"only,omitempty"`
}

// SetDomains sets which domains of a device the activity is for. Those of the
// first device are kept as the activity's; others are kept if they differ.
func (a *Activity) SetDomains(device string, set pattern.Set) {
	if a.Domains == nil {
		a.Domains = set
		return
	}
	if reflect.DeepEqual(a.Domains, set) {
		return
	}
	if a.DomainsByDevice == nil {
		a.DomainsByDevice = map[string]pattern.Set{}
	}
	a.DomainsByDevice[device] = set
}

// TaskSpec is everything that the task machine decides on.
type TaskSpec struct {
	ID           string
	Run          string
	Plan         string
	Activity     Activity
	Device       string
	Domain       string // empty for the whole device
	Seed         uint64
	Window       *window.Window
	Timeouts     Timeouts
	Destinations []Destination
	LastSize     int64
	// Usual is how long the task has kept its device so far; zero: not known.
	Usual time.Duration
	// OnlyDefault: the device was inspected, and has no domain but default.
	OnlyDefault bool

	Guard Guard
	// Group is the device's group, and Peers its other members.
	Group string
	Peers []string
	// Environment is the label and the value that [Guard] means, "env=prod"; empty: none.
	Environment string
}

// sharedSpec is what the tasks of an activity on a device have in common, kept
// once for all of them.
type sharedSpec struct {
	Run          string
	Plan         string
	Activity     Activity
	Device       string
	Seed         uint64
	Window       *window.Window
	Timeouts     Timeouts
	Destinations []Destination
	OnlyDefault  bool
	Guard        Guard
	Group        string
	Peers        []string
	Environment  string
}

// defaultDomain is the domain that every appliance has and never takes down.
const defaultDomain = "default"

// Quiesces reports whether the task will send a quiesce. It never does for the
// default domain, which the appliance does not take down, nor for a device that
// has no other domain: such a device accepts a quiesce, and never shows that it
// took effect.
func (s TaskSpec) Quiesces() bool {
	switch s.Activity.Quiesce {
	case QuiesceDomain:
		return s.Domain != "" && s.Domain != defaultDomain
	case QuiesceDevice:
		return !s.OnlyDefault
	}
	return false
}

// mayWait reports whether the task needs its device, or a domain of it, for
// itself, and may have to wait for that.
func (s TaskSpec) mayWait() bool {
	return s.Activity.Exclusive || s.Activity.Quiesce == QuiesceDomain || s.Activity.Quiesce == QuiesceDevice
}

// returns is how long a target may stay down.
func (s TaskSpec) returns() time.Duration {
	if !s.Quiesces() {
		return 0
	}
	return s.Timeouts.Quiesce + s.Timeouts.Unquiesce + 2*s.Timeouts.Grace
}

// needs returns how much of the window must be left for a task that has spent
// some time on its device.
func (s TaskSpec) needs(spent time.Duration) time.Duration { return max(s.returns(), s.Usual-spent) }

// tooShort returns why a task does not begin with so much of the window left, or
// nothing.
func (s TaskSpec) tooShort(left, spent time.Duration, target string) string {
	if left >= s.needs(spent) {
		return ""
	}
	why := fmt.Sprintf("window %s closes in %s, and ", s.Window.Name, left.Round(time.Second))
	if left < s.returns() {
		return why + fmt.Sprintf("quiesce and unquiesce of %s may take %s", target, s.returns())
	}
	return why + fmt.Sprintf("%s usually takes %s", target, (s.Usual-spent).Round(time.Second))
}
