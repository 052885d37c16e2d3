package pluginhost

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// bundledWord is the first argument of a process that serves a bundled plugin.
const bundledWord = "__plugin"

// ServeBundled serves a bundled plugin, and does not return, when args (the
// program's own, without its name) ask for it; otherwise it returns at once.
// It is the first thing that main does.
func ServeBundled(args []string, bundled map[string]func() sdk.Plugin) {
	if len(args) != 2 || args[0] != bundledWord {
		return
	}
	p, ok := bundled[args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no bundled plugin %q\n", args[1])
		os.Exit(64)
	}
	// A plugin's heap is a few megabytes: collecting it less often costs little
	// memory and saves a tenth of the processor time of a large fleet's run.
	debug.SetGCPercent(300)
	debug.SetMemoryLimit(64 << 20)
	sdk.Serve(p())
}

// Self is the path under which this very program can be started again, even
// when its file has been replaced meanwhile.
func Self() (string, error) {
	path, err := "/proc/self/exe", error(nil)
	if runtime.GOOS == "linux" {
		_, err = os.Lstat(path)
	} else {
		path, err = os.Executable()
	}
	return path, noSelf(err)
}

// noSelf says why no bundled plugin can be started. It is no fault that passes.
func noSelf(err error) error {
	if err == nil {
		return nil
	}
	return failure.New(failure.Precondition, failure.Crashed, "dprun cannot start its own program again, which serves the bundled plugins: %w", err).
		WithRemedy("mount /proc, also in a container or a chroot")
}
