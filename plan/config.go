package plan

import (
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

// Diagnostics is what the language says about a plan.
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
	// Variables holds the values of the variables that are not sensitive, as JSON values can.
	Variables map[string]cty.Value

	env *environment
}

// Plan finds a plan by its name; nil when there is none.
func (c *Config) Plan(name string) *Plan {
	for _, p := range c.Plans {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// SensitiveValues lists the texts of all secrets read so far, for the
// redactor. It grows when lazy arguments read further secrets.
func (c *Config) SensitiveValues() []string { return c.env.secrets.Plain() }

// Texts are what the plan was made of, by name: its files and the inventories that
// they read. Files of variables are left out, as they may hold secrets.
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
	Name   string // unique over the plan
	Type   string // "datapower"
	Label  string // the block's label
	Key    string // its for_each key; empty without for_each
	Labels map[string]string
	Group  string    // empty: none
	Vars   cty.Value // an object, never null; secrets are marked
	Config cty.Value // of the type's schema; secrets are marked
	// Restore is Config with what the restore block says in place of its own:
	// how the device is logged in to for restores and drills. NilVal: it has no
	// such block, and nothing is imported there.
	Restore cty.Value
	Range   Range

	scope      atomic.Pointer[cty.Value] // as `device` in lazy arguments, once that is asked for
	configured *configured
}

// Restores reports whether the plan says how the device is logged in to for a restore.
func (d *Device) Restores() bool { return d.Restore != cty.NilVal }

// Pattern is a named matcher. Labels match one value or any of a list and are
// for devices only.
type Pattern struct {
	Address string // "edge_prod", `edge["fra"]` with for_each
	pattern.Pattern
	Labels map[string][]string
	Range  Range
}

// MatchesDevice reports whether a device fits the pattern's names and labels.
func (p *Pattern) MatchesDevice(d *Device) bool {
	for name, values := range p.Labels {
		got, has := d.Labels[name]
		if !has || !contains(values, got) {
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
	// Arguments is "dpod" when the reference product's positional arguments
	// are to be passed; empty otherwise.
	Arguments string
	Range     Range

	config lazyConfig
}

// When says after what a post-script runs.
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

// Notify is whom a plan tells, by a script, and of what.
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
	Parallel int    // tasks that store there at once
	MinFree  MinFree
	// Retention is its own. Nil: that of the plan.
	Retention *Retention
	// Recipients are the public keys for which everything that is stored there is
	// encrypted. Nil: it is not encrypted.
	Recipients []string
	Range      Range

	keepsAll   bool      // it cannot forget anything
	path       *lazyExpr // nil: the default layout
	env        *environment
	configured *configured
}

// MinFree is the space that must stay free at a destination: a percentage or
// a number of bytes, whichever is not zero.
type MinFree struct {
	Percent float64 `json:"percent,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"`
}

// Limits bound what runs at once.
type Limits struct {
	Parallel  int // tasks of a run, up to the end of their captures
	PerDevice int
	PerLabel  map[string]int // for each value of the label
}

// Timeouts bound the phases of a task.
type Timeouts struct {
	Queue, Run, Quiesce, Unquiesce, Grace, Store, Healthy time.Duration
}

// Guard bounds which devices are quiesced together.
type Guard struct {
	MaxDevices  int
	MaxPerGroup int
	Settle      time.Duration
	Peers       string // [PeersUp] or "ignore"
	Active      string // [Refuse] or "allow": what is active in a failover group
	APIConnect  string // the same: a device that API Connect has a domain on
	Environment string // a label; empty: all devices are one environment
}

// Words of a guard.
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
	Destinations []*Destination
	Retention    *Retention // nil: all sets are kept, but where a destination has its own
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

// Activity finds an activity by its name; nil when there is none.
func (p *Plan) Activity(name string) *Activity {
	for _, a := range p.Activities {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Activity is what a plan does on some devices.
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

// Schemas are what the plugins offer, by type.
type Schemas struct {
	Sources      map[string]schema.SourceType
	Destinations map[string]schema.DestinationType
	Hooks        map[string]schema.HookType
	// Offered names all types of a kind. It is needed of the kinds of which a
	// plan uses a type that there is not.
	Offered map[schema.Kind][]string
}

// The language's words for secrets; see package secret.
type (
	// SecretRef says where a secret is read.
	SecretRef    = secret.Ref
	SecretReader = secret.Reader
	SecretAt     = secret.At
)

// Reveal removes every mark of a value, for the boundary to a plugin.
func Reveal(v cty.Value) (cty.Value, []SecretAt) { return secret.Reveal(v) }

// Seal gives the JSON form of a value with references in place of secrets;
// see [secret.Seal].
func Seal(v cty.Value) ([]byte, bool) { return secret.Seal(v) }

// Unseal undoes [Seal], reading the secrets afresh.
func Unseal(sealed []byte, ty cty.Type, r SecretReader) (cty.Value, error) {
	return secret.Unseal(sealed, ty, r)
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
