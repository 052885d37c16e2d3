// Package mutants holds plugins with one mistake each, which the conformance suite must
// find, and the correct plugins that they were made from.
package mutants

import (
	"context"
	"os"
	"slices"

	"google.golang.org/grpc"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/schema"
)

// Mutant is a plugin with one thing wrong.
type Mutant struct {
	Name  string
	Kind  schema.Kind
	Wrong string // what is wrong, as its author would say it
	Fails string // the one rule that finds it
}

// All lists the mutants.
func All() []Mutant {
	d, h, s := schema.KindDestination, schema.KindHook, schema.KindSource
	return []Mutant{
		{"describe_counts", d, "the documentation in its schema holds a counter", "describe/pure"},
		{"versionless", d, "it has no version", "describe/complete"},
		{"refuses_valid", d, "its validator refuses what Configure takes", "config/valid"},
		{"pathless", d, "its diagnostics about missing arguments have no path", "config/required"},
		{"takes_any_value", d, "it checks no values", "config/values"},
		{"judges_unknown", d, "its validator takes an unknown argument for an empty one", "config/unknown"},
		{"untyped_configure", d, "Configure fails with errors that have no class", "config/refused"},
		{"closes_all", d, "closing one instance closes the connection that all share", "lifecycle/instances"},
		{"never_releases", d, "it does not forget an instance", "lifecycle/closed"},
		{"orphan", d, "it does not watch whether its host is there", "lifecycle/orphan"},
		{"homeless", d, "a check does not say where the destination is", "check/report"},
		{"leaves_probe", d, "a check leaves its probe", "check/clean"},
		{"damages", d, "it changes a byte after the verification", "store/kept"},
		{"no_empty_files", d, "it takes an empty file for a mistake", "store/empty"},
		{"not_read_back", d, "it does not read back", "store/verify"},
		{"counts_on", d, "its progress counts on from the file before", "store/progress"},
		{"nowhere", d, "a store does not say where the copy is", "store/location"},
		{"always_new", d, "it says of every copy that it did not exist", "store/same"},
		{"overwrites", d, "it replaces a file of another size", "store/overwrite"},
		{"confused_below", d, "it calls a file in the way an internal error", "store/below"},
		{"trusts_hash", d, "it believes the announced hash", "store/hash"},
		{"trusts_size", d, "it believes the announced size", "store/source"},
		{"litters", d, "it leaves its temporary file when the final name is taken", "store/temporary"},
		{"deaf", d, "it publishes although it was cancelled", "store/cancelled"},
		{"backslashes", d, "it takes a backslash for a slash", "store/paths"},
		{"underscores", d, "it writes spaces as underscores", "store/names"},
		{"composes", d, "it composes the characters of names", "store/unicode"},
		{"cuts_names", d, "it cuts long names", "store/long"},
		{"few_at_once", d, "it refuses more than eight stores at a time", "store/parallel"},
		{"renames_over", d, "it publishes with a rename that replaces", "store/race"},
		{"fetches_nothing", d, "it makes the local file before it asks for the object", "fetch/missing"},
		{"fetches_over", d, "it replaces local files", "fetch/overwrite"},
		{"fetches_half", d, "a fetch that is cancelled leaves what it has", "fetch/cancelled"},
		{"remembers_sums", d, "it remembers the sums of what it has read", "sum/now"},
		{"sums_nothing", d, "it gives the sum of nothing for what is not there", "sum/missing"},
		{"unsorted", d, "its list has the order of the directory", "list/sorted"},
		{"lists_alike", d, "its list holds every path that begins with the prefix", "list/prefix"},
		{"lists_nothing", d, "the list of a directory that is not there fails", "list/missing"},
		{"deletes_more", d, "it deletes what begins alike too", "delete/gone"},
		{"deletes_once", d, "deleting what is not there fails", "delete/again"},
		{"sweeps_final", d, "a sweep takes every name that ends in .part for temporary", "sweep/final"},
		{"writes_in_place", d, "it writes under the final name", "crash/unpublished"},
		{"answers_early", d, "it answers before it has published", "crash/published"},
		{"sweeps_nothing", d, "a sweep of one owner finds nothing", "sweep/own"},
		{"hides_leftovers", d, "it shows no leftovers", "leftovers/listed"},
		{"sweeps_others", d, "a sweep takes no notice of the owner", "sweep/owner"},
		{"sweeps_young", d, "a sweep takes no notice of the age", "sweep/age"},
		{"leaks_goroutine", d, "an instance has a goroutine that never ends", "leaks/goroutines"},
		{"leaks_descriptor", d, "a check opens a file and does not close it", "leaks/descriptors"},
		{"leaves_copy", d, "a store leaves a file in the private directory", "leaks/directory"},
		{"leaves_helper", d, "a store starts a program and forgets it", "leaks/processes"},
		{"tells_in_failures", d, "its failures hold the token", "secrets/answers"},
		{"tells_in_logs", d, "its log holds the token", "secrets/logs"},
		{"tells_in_arguments", d, "it hands the token to a program as an argument", "secrets/processes"},
		{"hook_code", h, "it says 1 of every success", "hook/success"},
		{"hook_silent", h, "it keeps the output for itself", "hook/output"},
		{"hook_error", h, "it makes a failure of an exit code", "hook/failure"},
		{"hook_cancel", h, "it calls being cancelled an internal error", "hook/cancelled"},
		{"hook_deadline", h, "it calls the end of its time an internal error", "hook/deadline"},
		{"hook_alone", h, "it refuses a second run beside the first", "hook/parallel"},
		{"renames_device", s, "its identity is made anew with each instance", "source/identity"},
		{"lists_twice", s, "it lists a domain twice", "source/domains"},
		{"nothing_to_do", s, "its check names a variant twice", "source/variants"},
		{"any_domain", s, "its check takes every name for a domain", "source/absent"},
		{"normal_unless_told", s, "it says normal where the device says nothing", "source/state"},
		{"leaves_log", s, "it leaves a file that it does not name", "source/capture"},
		{"spends", s, "it does not look at how much it may write", "source/budget"},
		{"stuck", s, "a capture that is cancelled leaves the device busy", "source/again"},
		{"never_quiesces", s, "it says that it quiesces", "source/quiesce"},
		{"strict", s, "it refuses an unquiesce of what is not quiesced", "source/unquiesce"},
		{"always_changes", s, "a rehearsal says of everything that it would change", "rehearse/own"},
		{"believes_artifacts", s, "a rehearsal does not verify what it is given", "rehearse/damaged"},
		{"rehearses_anywhere", s, "a rehearsal takes every name for a domain", "rehearse/absent"},
		{"imports_nothing", s, "an import does nothing, and reports success", "restore/own"},
		{"resembles_all", s, "every domain resembles every artifact", "restore/own"},
		{"never_saves", s, "a save does nothing", "restore/own"},
		{"imports_damaged", s, "an import does not verify what it is given", "restore/refused"},
		{"ignores_before", s, "an import does not look what the target is now", "restore/refused"},
		{"imports_anywhere", s, "an import takes every name for a domain", "restore/refused"},
		{"creates_over", s, "a domain that is there is made again", "restore/domains"},
		{"drops_nothing", s, "a domain that is removed stays", "restore/domains"},
		{"drops_once", s, "removing a domain that is gone fails", "restore/domains"},
		{"hook_forgets", h, "it ends the shell and not what the shell has started", "hook/ended"},
	}
}

// ListsAll is a mutant that breaks many rules: its list takes no notice of the directory.
const ListsAll = "lists_all"

// Name is the name of the plugin and of its types, whichever mutant it is.
const Name = "mutant"

// Plugin is a mutant, or the correct plugin where the name is empty.
// ownProcess: it is served in a process of its own, which is what some mutants
// wait for.
func Plugin(mutant string, ownProcess bool) sdk.Plugin {
	p := sdk.Plugin{
		Name: Name, Version: "1.0.0", Doc: "Keeps files in a directory, runs a shell, and is a device.",
		Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: Name, Doc: "A directory."},
			func(_ context.Context, c config, env sdk.Env) (*destination, error) {
				return newDestination(mutant, ownProcess, c, env), nil
			},
			validator(mutant))},
		Hooks: []sdk.HookType{sdk.NewHook(schema.HookType{Name: Name, Doc: "A shell."},
			func(_ context.Context, c hookConfig, _ sdk.Env) (sdk.Hook, error) {
				return &hook{mutant: mutant, c: c}, nil
			}, nil)},
	}
	p.Sources = []sdk.SourceType{sdk.NewSource(schema.SourceType{Name: Name, Doc: "A device in memory."},
		func(_ context.Context, c sourceConfig, _ sdk.Env) (*source, error) { return newSource(mutant, c), nil }, nil,
		sdk.NewActivity[none](schema.Activity{Name: "snapshot", Doc: "Writes a file.", Scope: schema.ScopeDomain, Quiesce: []string{"domain"}}, nil))}
	if mutant == "versionless" {
		p.Version = ""
	}
	return p
}

// Narrow is the correct destination that can store and nothing else.
func Narrow() sdk.Plugin {
	return sdk.Plugin{
		Name: Name, Version: "1.0.0", Doc: "Keeps files in a directory.",
		Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: Name, Doc: "A directory."},
			func(_ context.Context, c config, env sdk.Env) (narrow, error) {
				return narrow{newDestination("", false, c, env)}, nil
			}, nil)},
	}
}

type narrow struct{ sdk.Destination }

// Main serves a mutant in this process, and does not return.
func Main(mutant string) {
	if mutant == "orphan" {
		_ = os.Unsetenv(client.EnvOrphan)
	}
	sdk.Serve(Plugin(mutant, true))
}

// config is that of the destination.
type config struct {
	Directory string  `dprun:"directory,required" format:"path" doc:"Where files are kept."`
	Token     string  `dprun:"token,sensitive" doc:"Opens nothing."`
	Order     string  `dprun:"order" oneof:"first|last" default:"first" doc:"Means nothing."`
	Limits    *limits `dprun:"limits,block"`
}

type limits struct {
	Rate int `dprun:"rate,required" min:"1" max:"10" doc:"Means nothing."`
}

func validator(mutant string) sdk.Validator[config] {
	return func(c config, known func(...string) bool) []schema.Diagnostic {
		bad := func(detail string) []schema.Diagnostic {
			return []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "Unusable directory", Detail: detail, Path: []string{"directory"}}}
		}
		switch {
		case mutant == "judges_unknown" && c.Directory == "":
			return bad("It is empty.")
		case mutant == "refuses_valid" && known("directory") && known("token") && known("order") && known("limits", "rate"):
			return bad("It is a Saturday.")
		}
		return nil
	}
}

// OnTheWire reports whether a mutant is the correct plugin with [Options], and so
// only within the test's process.
func OnTheWire(mutant string) bool {
	return slices.Contains([]string{"describe_counts", "pathless", "takes_any_value", "untyped_configure", "never_releases", "backslashes"}, mutant)
}

// Options are the mutations of what travels between the plugin and the suite.
func Options(mutant string) []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(wire{mutant: mutant}.unary), grpc.ChainStreamInterceptor(wire{mutant: mutant}.stream)}
}
