// Package schema describes a plugin's configuration as data.
//
// The plan language checks a `config` block against its schema. The
// documentation and the JSON Schema are generated from it, and it travels in
// the answer to Describe. The package is a leaf: it knows no gRPC, no HCL and
// nothing of the host.
//
// A plugin author does not write a Block by hand: [Of] derives it from a tagged
// struct, and [Decode] fills that struct from a value of the schema's type.
package schema

import (
	"github.com/zclconf/go-cty/cty"
)

// Block is the schema of one block body: its arguments and its nested blocks.
// Names within one Block are unique across both.
type Block struct {
	Doc        string      `json:"doc,omitempty"`        // sentences for `dprun plugin describe` and pages
	Deprecated string      `json:"deprecated,omitempty"` // what to use instead; empty: not deprecated
	Attributes []Attribute `json:"attributes,omitempty"` // in the order in which they are shown
	Blocks     []Nested    `json:"blocks,omitempty"`     // likewise
	// ExactlyOne lists groups of argument or block names. Exactly one of each group must
	// be set.
	ExactlyOne [][]string `json:"exactly_one,omitempty"`
	// AtMostOne lists groups of names. At most one of each group may be set.
	AtMostOne [][]string `json:"at_most_one,omitempty"`
}

// Attribute is one argument of a block.
type Attribute struct {
	Name       string   `json:"name"`                 // as in a plan: lower case letters, digits and underscores
	Type       Type     `json:"type"`                 // of its value
	Doc        string   `json:"doc,omitempty"`        // a sentence
	Required   bool     `json:"required,omitempty"`   // a plan must set it
	Default    string   `json:"default,omitempty"`    // written as in a plan; converted to Type; empty: null
	Sensitive  bool     `json:"sensitive,omitempty"`  // its value is a secret: it appears in no log and no message
	Deprecated string   `json:"deprecated,omitempty"` // what to use instead; empty: not deprecated
	OneOf      []string `json:"one_of,omitempty"`     // the allowed values of a string
	Format     Format   `json:"format,omitempty"`     // what a string holds
	Integer    bool     `json:"integer,omitempty"`    // a number without a fraction
	Min        *float64 `json:"min,omitempty"`        // inclusive bounds of a number, a size (bytes) or a duration (seconds)
	Max        *float64 `json:"max,omitempty"`        // see Min; nil: no bound
}

// Nested is one nested block type.
type Nested struct {
	Name     string  `json:"name"`               // as in a plan
	Nesting  Nesting `json:"nesting"`            // how often it may occur, and what its value is
	Required bool    `json:"required,omitempty"` // at least one
	Block    Block   `json:"block"`              // its content
}

// Often says in words how often the block may occur.
func (n Nested) Often() string {
	switch {
	case n.Nesting == NestingList && n.Required:
		return "once or more"
	case n.Nesting == NestingList:
		return "any number of times"
	case n.Required:
		return "exactly once"
	}
	return "at most once"
}

// Nesting says how often a nested block may occur and what its value is.
type Nesting string

// The nestings.
const (
	NestingSingle Nesting = "single" // at most once: an object or null
	NestingList   Nesting = "list"   // any number of times: a list of objects
)

// Format says what kind of text a string argument holds.
type Format string

// The formats that the language checks and the SDK decodes.
const (
	FormatNone     Format = ""         // any text
	FormatDuration Format = "duration" // "90s", "2h"; a time.Duration in the struct
	FormatSize     Format = "size"     // "10MB", "1GiB", a bare number of bytes; an int64 in the struct
	FormatPort     Format = "port"     // a number from 1 to 65535
	FormatPath     Format = "path"     // a local path; a relative one is relative to the directory of the file that holds it, and the host makes it absolute
	FormatFile     Format = "file"     // the path of a file that must exist before anything runs; made absolute like a path
	// FormatCertificates is a file that holds certificates in PEM form.
	FormatCertificates Format = "certificates"
	// FormatProgram is a program and its arguments. A relative program name
	// with a slash is looked up in the directory that the argument
	// working_directory names, otherwise in the plan's directory. The program
	// must exist.
	FormatProgram Format = "program"
)

// Type is a cty type that can be written as JSON (cty's type serialisation).
type Type struct{ cty.Type }

// TypeName is the type as authors of plans know it: the format if there is one,
// otherwise the type of the value in the language's own words.
func (a Attribute) TypeName() string {
	switch {
	case a.Format != FormatNone:
		return string(a.Format)
	case a.Type.Type == cty.NilType:
		return "any"
	}
	return constraint(a.Type.Type)
}

func constraint(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any"
	case t == cty.Bool:
		return "bool"
	case t.IsListType():
		return "list(" + constraint(t.ElementType()) + ")"
	case t.IsSetType():
		return "set(" + constraint(t.ElementType()) + ")"
	case t.IsMapType():
		return "map(" + constraint(t.ElementType()) + ")"
	}
	return t.FriendlyName()
}

// MarshalJSON writes cty's own JSON form of the type.
func (t Type) MarshalJSON() ([]byte, error) { return t.Type.MarshalJSON() }

// UnmarshalJSON reads cty's own JSON form of the type.
func (t *Type) UnmarshalJSON(b []byte) error { return t.Type.UnmarshalJSON(b) }

// ImpliedType returns the object type of a value of the block. Every argument
// has its type, a single nested block is an object (null if absent), and a list
// of blocks is a list of objects (empty if absent).
func (b Block) ImpliedType() cty.Type {
	atys := make(map[string]cty.Type, len(b.Attributes)+len(b.Blocks))
	for _, a := range b.Attributes {
		atys[a.Name] = a.Type.Type
	}
	for _, n := range b.Blocks {
		t := n.Block.ImpliedType()
		if n.Nesting == NestingList {
			t = cty.List(t)
		}
		atys[n.Name] = t
	}
	return cty.Object(atys)
}

// Attribute returns the argument with that name, or nil.
func (b Block) Attribute(name string) *Attribute {
	for i := range b.Attributes {
		if b.Attributes[i].Name == name {
			return &b.Attributes[i]
		}
	}
	return nil
}

// Nested returns the nested block type with that name, or nil.
func (b Block) Nested(name string) *Nested {
	for i := range b.Blocks {
		if b.Blocks[i].Name == name {
			return &b.Blocks[i]
		}
	}
	return nil
}

// Plugin is the answer to Describe: everything that a plugin offers, as data.
type Plugin struct {
	Name         string            `json:"name"`                   // its own name
	Version      string            `json:"version"`                // semantic: "1.2.0"
	Doc          string            `json:"doc,omitempty"`          // one or two sentences
	Sources      []SourceType      `json:"sources,omitempty"`      // types of devices
	Destinations []DestinationType `json:"destinations,omitempty"` // types of destinations
	Hooks        []HookType        `json:"hooks,omitempty"`        // types of scripts
	// Env names the environment variables that the host passes on to the
	// plugin's process besides its own allow-list.
	Env []string `json:"env,omitempty"`
}

// SourceType is one type of device, the NAME of `device "NAME" "label"`.
type SourceType struct {
	Name       string     `json:"name"`          // the plugin's name, or one that begins with it and an underscore
	Doc        string     `json:"doc,omitempty"` // a sentence or two
	Config     Block      `json:"config"`        // of the device's config block
	Activities []Activity `json:"activities"`    // what it can do on a device
	// Endpoint names the arguments that say which endpoint a device is (host,
	// port). Two devices with equal endpoints get a warning.
	Endpoint []string `json:"endpoint,omitempty"`
	// Abilities are what it can do beyond what every source can, in
	// alphabetical order. The SDK fills them in.
	Abilities []Ability `json:"abilities,omitempty"`
}

// Activity is one activity type that a source offers.
type Activity struct {
	Name   string `json:"name"`          // the TYPE of `activity "TYPE" "label"`
	Doc    string `json:"doc,omitempty"` // a sentence or two
	Config Block  `json:"config"`        // of the activity's config block
	Scope  Scope  `json:"scope"`         // what one task covers
	// Quiesce lists the values of `quiesce` that the activity supports besides
	// "none".
	Quiesce []string `json:"quiesce,omitempty"`
	// Exclusive activities take the device's lock alone; the others share it.
	Exclusive bool `json:"exclusive,omitempty"`
}

// Scope says what one task of an activity covers.
type Scope string

// The scopes.
const (
	ScopeDevice Scope = "device" // one task for a device
	ScopeDomain Scope = "domain" // one for each domain of it
)

// DestinationType is one type of destination, the NAME of `destination "NAME" "label"`.
type DestinationType struct {
	Name   string `json:"name"`          // the plugin's name, or one that begins with it and an underscore
	Doc    string `json:"doc,omitempty"` // a sentence or two
	Config Block  `json:"config"`        // of the destination's config block
	// Family "nfs" selects the status codes …_NFS_…; every other destination
	// gets their …_DESTINATION_… twins.
	Family string `json:"family,omitempty"`
	// Abilities are what it can do beyond storing, in alphabetical order. The
	// SDK fills them in.
	Abilities []Ability `json:"abilities,omitempty"`
}

// Ability is something that a type can do beyond what every type of its kind can.
type Ability string

// The abilities of destinations. An unknown ability has no effect.
const (
	AbilityDelete    Ability = "delete"    // remove what is stored
	AbilityList      Ability = "list"      // list what is stored
	AbilityLeftovers Ability = "leftovers" // list what a sweep could remove
	AbilityRead      Ability = "read"      // give back what is stored
	AbilitySum       Ability = "sum"       // hash what is stored without fetching it
	AbilitySweep     Ability = "sweep"     // remove what interrupted stores left behind
)

// The abilities of sources. An unknown ability has no effect.
const (
	AbilityHealth    Ability = "health"    // tell which objects are up
	AbilityPreflight Ability = "preflight" // tell beforehand what would keep activities from running
	AbilityRehearse  Ability = "rehearse"  // tell beforehand what a restore would do
	AbilityRestore   Ability = "restore"   // import artifacts, and prove what became of the target
)

// HookType is one type of script, the NAME of `script "NAME" "label"`.
type HookType struct {
	Name   string `json:"name"`          // the plugin's name, or one that begins with it and an underscore
	Doc    string `json:"doc,omitempty"` // a sentence or two
	Config Block  `json:"config"`        // of the script's config block
}

// Kind says what a configuration is for.
type Kind string

// The kinds of configuration, named like the blocks of the language.
const (
	KindSource      Kind = "source"      // `device`
	KindDestination Kind = "destination" // `destination`
	KindHook        Kind = "hook"        // `script`
	KindActivity    Kind = "activity"    // of a source type
)

// offered is one type of a plugin, of whatever kind.
type offered struct {
	name      string
	config    Block
	abilities []Ability
}

// offers lists the types of a kind.
func (p Plugin) offers(k Kind) (out []offered) {
	switch k {
	case KindSource:
		for _, t := range p.Sources {
			out = append(out, offered{t.Name, t.Config, t.Abilities})
		}
	case KindDestination:
		for _, t := range p.Destinations {
			out = append(out, offered{t.Name, t.Config, t.Abilities})
		}
	case KindHook:
		for _, t := range p.Hooks {
			out = append(out, offered{t.Name, t.Config, nil})
		}
	}
	return out
}

// Config returns the schema of a configuration, if the plugin has one. activity
// is used for [KindActivity] only; typ then names the source type.
func (p Plugin) Config(k Kind, typ, activity string) (Block, bool) {
	for _, t := range p.offers(k) {
		if t.name == typ {
			return t.config, true
		}
	}
	for _, t := range p.Sources {
		for _, a := range t.Activities {
			if k == KindActivity && t.Name == typ && a.Name == activity {
				return a.Config, true
			}
		}
	}
	return Block{}, false
}

// Abilities returns what a type can do beyond what every type of its kind can.
func (p Plugin) Abilities(k Kind, typ string) []Ability {
	for _, t := range p.offers(k) {
		if t.name == typ {
			return t.abilities
		}
	}
	return nil
}

// Types lists the names of the types of a kind.
func (p Plugin) Types(k Kind) []string {
	var names []string
	for _, t := range p.offers(k) {
		names = append(names, t.name)
	}
	return names
}

// Severity of a [Diagnostic].
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // the plan cannot be used
	SeverityWarning Severity = "warning" // it can be used, but somebody should look
)

// Diagnostic is what a plugin says about its configuration. Path names the
// argument, so that the host can show its place in the plan: names of blocks
// (each followed by its index from 0 if the block is a list), then the
// argument, then the element.
type Diagnostic struct {
	Severity Severity `json:"severity"` // whether the plan can be used
	Summary  string   `json:"summary"`  // a short noun phrase, no full stop
	Detail   string   `json:"detail"`   // the rule, the value unless sensitive, and the fix
	Path     []string `json:"path,omitempty"`
}
