package exec

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Config is the configuration of a script "exec".
type Config struct {
	Command          []string          `dprun:"command,required" format:"program" doc:"The program and its arguments, without a shell. A program with a slash in its name is looked for from the working directory, any other in PATH."`
	WorkingDirectory string            `dprun:"working_directory" format:"path" doc:"Where the program runs. Default: the directory of the plan."`
	Env              map[string]string `dprun:"env" doc:"More environment variables. Not for secrets: every process of the same user can read them."`
	Secrets          map[string]string `dprun:"secrets,sensitive" doc:"Secrets by name: each becomes a file of that name, for the program only, in the directory that DPRUN_SECRETS_DIR names."`
}

// Plugin offers the script type "exec".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "exec",
		Version: "1.0.0",
		Doc:     "Runs a program as a script of a plan.",
		Hooks: []sdk.HookType{sdk.NewHook(
			schema.HookType{Name: "exec", Doc: "A program: an argument vector without a shell. Context comes as JSON on standard input and in DPRUN_* variables; {\"outputs\": {…}} on standard output is kept."},
			configure, validate)},
	}
}

func configure(_ context.Context, c Config, env sdk.Env) (sdk.Hook, error) {
	return &hook{config: c, env: env, limit: outputLimit, grace: killGrace}, nil
}

var (
	secretName   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`) })
	variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })
)

func validate(c Config, known func(...string) bool) []schema.Diagnostic {
	var ds []schema.Diagnostic
	bad := schema.Reporter(&ds)
	if known("command") && (len(c.Command) == 0 || c.Command[0] == "") {
		bad([]string{"command"}, "Empty command", "The first element of \"command\" is the program to run; write [\"./script\", \"argument\"].")
	}
	for i, a := range c.Command {
		if strings.ContainsRune(a, 0) {
			bad([]string{"command", fmt.Sprint(i)}, "Invalid argument", "An argument of a program cannot hold a zero byte.")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if !secretName().MatchString(name) {
			bad([]string{"secrets", name}, "Invalid secret name", "The name %q becomes a file name, so it may hold letters, digits, underscores, dots and hyphens, and must not begin with a dot or hyphen.", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if !variableName().MatchString(name) || strings.HasPrefix(name, "DPRUN_") {
			bad([]string{"env", name}, "Invalid variable name", "The name %q cannot be a variable's: use letters, digits and underscores, and do not begin with DPRUN_.", name)
		}
	}
	return ds
}
