package runner

import (
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/skeleton"
	"github.com/dprun/dprun/sdk"
)

// NewPluginRequest asks for the files of a plugin to begin with.
type NewPluginRequest struct {
	Kind    string // destination or hook
	Name    string
	Dir     string // empty: dprun-plugin-NAME
	Version string // dprun's own
	// Replace is a directory of dprun's source to build the plugin with, where
	// that is not a release.
	Replace string
	Bundled map[string]func() sdk.Plugin // whose names are taken
}

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	released   = regexp.MustCompile(`^v?([0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.]+)?)$`)
)

// NewPlugin writes the files. It replaces none.
func NewPlugin(q NewPluginRequest) (report.NewPlugin, error) {
	kinds := []string{"destination", "hook"}
	switch _, bundled := q.Bundled[q.Name]; {
	case !slices.Contains(kinds, q.Kind):
		return report.NewPlugin{}, errorf(ExitUsage, "there is no kind of plugin %q to write; it is destination or hook", q.Kind)
	case !pluginName.MatchString(q.Name):
		return report.NewPlugin{}, errorf(ExitUsage, "%q cannot be a plugin's name; it has lower case letters, digits and underscores, and begins with a letter", q.Name)
	case bundled:
		return report.NewPlugin{}, errorf(ExitUsage, "a plugin %s comes with dprun; choose another name", q.Name)
	}
	p := skeleton.Plugin{Kind: q.Kind, Name: q.Name, Go: languageVersion()}
	if m := released.FindStringSubmatch(q.Version); m != nil {
		p.Version = "v" + m[1]
	}
	if q.Replace != "" {
		dir, err := filepath.Abs(q.Replace)
		if err != nil {
			return report.NewPlugin{}, err
		}
		p.Replace, p.Version = dir, "v0.0.0"
	}
	dir := q.Dir
	if dir == "" {
		dir = "dprun-plugin-" + q.Name
	}
	files, err := skeleton.Write(dir, p)
	if err != nil {
		return report.NewPlugin{}, err
	}
	return report.NewPlugin{Plugin: q.Name, Kind: q.Kind, Directory: dir, Files: files}, nil
}

// languageVersion is the version of Go that this program was built with, without its patch.
func languageVersion() string {
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	if len(parts) < 2 {
		return "1.26.0"
	}
	return parts[0] + "." + parts[1] + ".0"
}
