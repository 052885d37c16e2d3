package plan

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/script"
)

// Diagnostics are errors and warnings about a plan.
type Diagnostics = diag.List

// Range is a place in a plan file.
type Range = diag.Range

// Config is a compiled plan directory. It is immutable.
type Config struct {
	// Dir is the absolute directory of the plan files.
	Dir          string
	Devices      []*Device      // in definition order, for_each instances by key
	Destinations []*Destination // likewise
	Scripts      []*Script
	Windows      []*window.Window
	Patterns     []*Pattern
	Plans        []*Plan
	// Variables holds the values of the variables that are not sensitive, in types that JSON
	// has.
	Variables map[string]cty.Value

	env *environment
}

// Plan returns the plan with a name, or nil.
func (c *Config) Plan(name string) *Plan {
	for _, p := range c.Plans {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// SensitiveValues lists the texts of all secrets read so far, for the redactor.
// It grows while lazy arguments read more secrets.
func (c *Config) SensitiveValues() []string { return c.env.secrets.Plain() }

// Texts returns what the plan was made of, by name: its files and the inventories
// that they read. It leaves out files of variables, because they may hold secrets.
func (c *Config) Texts() map[string][]byte {
	c.env.mu.Lock()
	defer c.env.mu.Unlock()
	out := map[string][]byte{}
	for name, text := range c.env.texts {
		if !c.env.given[name] && !IsVariables(name) {
			out[name] = text
		}
	}
	return out
}

// Device is one device.
type Device struct {
	Name   string // unique within the plan
	Type   string // "datapower"
	Label  string // the block's label
	Key    string // its for_each key; empty without for_each
	Labels map[string]string
	Group  string    // empty: none
	Vars   cty.Value // an object, never null; secrets are marked
	Config cty.Value // of the type's schema; secrets are marked
	// Restore is Config with the arguments of the restore block in place of its
	// own: it says how to log in to the device for restores and drills. NilVal:
	// the device has no restore block, and nothing is imported there.
	Restore cty.Value
	Range   Range

	scope      atomic.Pointer[cty.Value] // `device` in lazy arguments; made when first needed
	configured *configured
}

// Restores reports whether the plan says how to log in to the device for a restore.
func (d *Device) Restores() bool { return d.Restore != cty.NilVal }

// Pattern is a named matcher. Labels match one value or any of a list. They
// apply to devices only.
type Pattern struct {
	Address string // "edge_prod", `edge["fra"]` with for_each
	pattern.Pattern
	Labels map[string][]string
	Range  Range
}

// MatchesDevice reports whether the pattern's names and labels match a device.
func (p *Pattern) MatchesDevice(d *Device) bool {
	for name, values := range p.Labels {
		got, has := d.Labels[name]
		if !has || !slices.Contains(values, got) {
			return false
		}
	}
	return p.Matches(d.Name)
}

// Script is one script (hook).
type Script struct {
	Address string // "exec.drain"
	Type    string
	Name    string
	Timeout time.Duration
	// Arguments is "dpod" if the script gets the reference product's positional
	// arguments; otherwise it is empty.
	Arguments string
	Range     Range

	config lazyConfig
}

// When says after which outcome a post-script runs.
type When string

// The conditions of a post-script.
const (
	Always  When = "always"
	Success When = "success"
	Failure When = "failure"
)

// PostScript is a script that runs after a task or plan.
type PostScript struct {
	Script *Script
	When   When
}

// Notify says which script a plan's notifications go through, and which events
// cause one.
type Notify struct {
	On     []script.Event
	Script *Script
}

// Destination is one place for files.
type Destination struct {
	Address  string // "sftp.offsite"
	Type     string
	Name     string
	Family   string // of its type's schema
	Config   cty.Value
	Verify   string // "read_back" or "sent"
	Parallel int    // tasks that store there at the same time
	MinFree  MinFree
	// Retention is the destination's own. Nil: the plan's applies.
	Retention *Retention
	// Recipients are the public keys for which everything stored there is
	// encrypted. Nil: nothing is encrypted.
	Recipients []string
	Range      Range

	keepsAll   bool      // it cannot delete anything
	path       *lazyExpr // nil: the default layout
	env        *environment
	configured *configured
}

// MinFree is the space that must stay free at a destination: a percentage or a
// number of bytes. At most one of the two is not zero.
type MinFree struct {
	Percent float64 `json:"percent,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"`
}

// Limits bound what runs at the same time.
type Limits struct {
	Parallel  int // tasks of a run, up to the end of their captures
	PerDevice int
	PerLabel  map[string]int // for each value of the label
}

// Timeouts bound the phases of a task.
type Timeouts struct {
	Queue, Run, Quiesce, Unquiesce, Grace, Store, Healthy time.Duration
}

// Guard bounds which devices are quiesced at the same time.
type Guard struct {
	MaxDevices  int
	MaxPerGroup int
	Settle      time.Duration
	Peers       string // [PeersUp] or "ignore"
	Active      string // [Refuse] or "allow", for a target that is active in a failover group
	APIConnect  string // [Refuse] or "allow", for a device with a domain that API Connect manages
	Environment string // a label; empty: all devices belong to one environment
}

// Values of a guard's arguments.
const (
	PeersUp = "up"
	Refuse  = "refuse"
)

// Error policies.
const (
	Halt   = "halt"
	Ignore = "ignore"
)

// Plan is one plan.
type Plan struct {
	Name         string
	Description  string
	Window       *window.Window // nil: always
	ErrorPolicy  string
	FourEyes     bool // a server asks a second person before it does what somebody asks for
	Destinations []*Destination
	Retention    *Retention // nil: all sets are kept, except where a destination has its own
	Signing      cty.Value  // see [compiler.signing]; secrets are marked; null: nothing is signed
	PreScript    *Script
	PostScript   *PostScript
	Notify       []Notify // in definition order
	Limits       Limits
	Timeouts     Timeouts
	Guard        Guard
	Activities   []*Activity // in definition order
	Schedules    []*Schedule // in definition order
	Drills       []*Drill    // likewise
	Range        Range
}

// Activity returns the activity with a name, or nil.
func (p *Plan) Activity(name string) *Activity {
	for _, a := range p.Activities {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Activity is what a plan does on some of the devices.
type Activity struct {
	Name    string
	Type    string // "export_domain"
	Schema  schema.Activity
	Devices []*Device // in definition order, each once
	// Unmatched holds the texts of the patterns that match no device.
	Unmatched      []string
	DependsOn      []string // names of activities
	ErrorPolicy    string   // the plan's unless stated
	Quiesce        string   // "none", "domain" or "device"
	OnBusy         string   // "abort" or "force"
	PreScript      *Script
	PostScript     *PostScript
	BeforeQuiesce  *Script
	AfterUnquiesce *Script
	Range          Range

	domains *lazyExpr
	config  lazyConfig
}

// Schemas holds the schemas that the plugins offer, by type.
type Schemas struct {
	Sources      map[string]schema.SourceType
	Destinations map[string]schema.DestinationType
	Hooks        map[string]schema.HookType
	// Offered lists all type names of a kind. It is needed only for kinds of
	// which the plan uses a type that does not exist.
	Offered map[schema.Kind][]string
}

// SecretRef says where a secret is read.
type SecretRef = secret.Ref

// SecretReader reads secrets.
type SecretReader = secret.Reader

// SecretAt is a secret and its place inside a value.
type SecretAt = secret.At

// Reveal removes every mark from a value before it goes to a plugin.
func Reveal(v cty.Value) (cty.Value, []SecretAt) { return secret.Reveal(v) }

// Seal returns the JSON form of a value with references in place of secrets;
// see [secret.Seal].
func Seal(v cty.Value) ([]byte, bool) { return secret.Seal(v) }

// Unseal undoes [Seal]. It reads the secrets again.
func Unseal(sealed []byte, ty cty.Type, r SecretReader) (cty.Value, error) {
	return secret.Unseal(sealed, ty, r)
}
