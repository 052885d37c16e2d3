package sdk

import (
	"context"
	"log/slog"
	"reflect"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// ProtocolVersion is the version of dprun.plugin.v1 that this SDK speaks.
const ProtocolVersion = 1

// Plugin is what a plugin's main hands to [Serve].
type Plugin struct {
	Name    string // lower case letters, digits and underscores
	Version string // semantic version, for example "1.2.0"
	Doc     string // one or two sentences, for `dprun plugin describe`
	// Env names the environment variables that the plugin's process needs
	// besides PATH, HOME, LANG, TZ, TMPDIR and the proxy settings.
	Env []string

	Sources      []SourceType      // devices
	Destinations []DestinationType // places for files
	Hooks        []HookType        // scripts
}

// Env is what an instance gets besides its configuration.
type Env struct {
	// Log goes to the host's log through the redactor.
	Log *slog.Logger
	// TempDir is private to the plugin's process and removed by the host.
	TempDir string
}

// SourceType offers one type of device. Make it with [NewSource].
type SourceType struct {
	schema    schema.SourceType
	configure func(ctx context.Context, v cty.Value, env Env) (Instance, error)
	validate  func(v cty.Value) []schema.Diagnostic
	validates map[string]func(v cty.Value) []schema.Diagnostic // by activity
}

// DestinationType offers one type of destination. Make it with [NewDestination].
type DestinationType struct {
	schema    schema.DestinationType
	configure func(ctx context.Context, v cty.Value, env Env) (Instance, error)
	validate  func(v cty.Value) []schema.Diagnostic
}

// HookType offers one type of script. Make it with [NewHook].
type HookType struct {
	schema    schema.HookType
	configure func(ctx context.Context, v cty.Value, env Env) (Instance, error)
	validate  func(v cty.Value) []schema.Diagnostic
}

// Validator checks a configuration beyond what the schema can express. It does
// no I/O. Arguments that are still unknown hold their zero value in c; known
// reports whether the argument at a path (names of blocks, then of the
// argument) has its value already.
type Validator[C any] func(c C, known func(path ...string) bool) []schema.Diagnostic

// NewSource offers a type of device whose configuration is a C (a tagged
// struct, see [schema.Of]). configure makes an instance for one device; it does
// no network I/O. It returns the concrete type, because the schema also says
// which optional abilities an S has. The schema's Name, Doc and Endpoint are
// taken from t; its Config and Activities are made from C and activities.
// NewSource panics if no schema can be made from the struct: that is an error
// in the plugin's code.
func NewSource[C any, S Source](t schema.SourceType, configure func(ctx context.Context, c C, env Env) (S, error), validate Validator[C], activities ...ActivityType) SourceType {
	t.Config, t.Abilities = schema.MustOf[C](), abilities(reflect.TypeFor[S]())
	validates := make(map[string]func(cty.Value) []schema.Diagnostic, len(activities))
	t.Activities = nil
	for _, a := range activities {
		t.Activities = append(t.Activities, a.schema)
		validates[a.schema.Name] = a.validate
	}
	return SourceType{
		schema:    t,
		configure: configured(configure),
		validate:  validator(validate),
		validates: validates,
	}
}

// ActivityType is one activity that a source offers. Make it with [NewActivity].
type ActivityType struct {
	schema   schema.Activity
	validate func(v cty.Value) []schema.Diagnostic
}

// NewActivity describes an activity whose configuration is a C.
func NewActivity[C any](a schema.Activity, validate Validator[C]) ActivityType {
	a.Config = schema.MustOf[C]()
	return ActivityType{schema: a, validate: validator(validate)}
}

// NewDestination offers a type of destination whose configuration is a C.
// configure returns the concrete type, not a [Destination], because the schema
// also says which optional abilities a D has.
func NewDestination[C any, D Destination](t schema.DestinationType, configure func(ctx context.Context, c C, env Env) (D, error), validate Validator[C]) DestinationType {
	t.Config, t.Abilities = schema.MustOf[C](), abilities(reflect.TypeFor[D]())
	return DestinationType{
		schema:    t,
		configure: configured(configure),
		validate:  validator(validate),
	}
}

// NewHook offers a type of script whose configuration is a C.
func NewHook[C any](t schema.HookType, configure func(ctx context.Context, c C, env Env) (Hook, error), validate Validator[C]) HookType {
	t.Config = schema.MustOf[C]()
	return HookType{
		schema:    t,
		configure: configured(configure),
		validate:  validator(validate),
	}
}

// configured wraps configure so that it takes a configuration as the schema has
// it.
func configured[C any, I Instance](configure func(context.Context, C, Env) (I, error)) func(context.Context, cty.Value, Env) (Instance, error) {
	return func(ctx context.Context, v cty.Value, env Env) (Instance, error) {
		c, err := schema.Decode[C](v)
		if err != nil {
			return nil, failure.New(failure.Precondition, failure.BadConfig, "read the configuration: %w", err)
		}
		i, err := configure(ctx, c, env)
		if err != nil { // a nil I would not be nil
			return nil, err
		}
		return i, nil
	}
}

func validator[C any](f Validator[C]) func(cty.Value) []schema.Diagnostic {
	if f == nil {
		return func(cty.Value) []schema.Diagnostic { return nil }
	}
	decoder := schema.NewDecoder[C]()
	return func(v cty.Value) []schema.Diagnostic {
		c, err := decoder.DecodeKnown(v)
		if err != nil {
			return []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "Unusable configuration", Detail: err.Error()}}
		}
		return f(c, func(path ...string) bool { return schema.Known(v, path...) })
	}
}
