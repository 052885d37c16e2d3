package pluginhost

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// bundledWord is the first argument of a process that serves a bundled plugin.
const bundledWord = "__plugin"

// ServeBundled serves a bundled plugin if args, the program's arguments without its
// name, ask for it. Then it does not return. Otherwise it returns at once. main must
// call it first.
func ServeBundled(args []string, bundled map[string]func() sdk.Plugin) {
	if len(args) != 2 || args[0] != bundledWord {
		return
	}
	p, ok := bundled[args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no bundled plugin %q\n", args[1])
		os.Exit(64)
	}
	// A plugin's heap has a few megabytes. Collecting it less often costs little memory
	// and saves a tenth of the processor time of a large fleet's run.
	debug.SetGCPercent(300)
	boundHeap()
	sdk.Serve(p())
}

const (
	// smallHeap is how much memory a plugin's process may use before it collects more
	// often, in bytes.
	smallHeap = 52 << 20
	// spareHeap is how much memory it may use in addition to twice the live heap, in
	// bytes.
	spareHeap = 24 << 20
)

// boundHeap makes a large heap be collected more often than a small one, but not all
// the time: after each collection the limit follows the live heap. A fixed limit took a
// third of the processor time with connections to a hundred gateways.
func boundHeap() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetMemoryLimit(max(smallHeap, 2*int64(live[0].Value.Uint64())+spareHeap))
	runtime.AddCleanup(&collected{}, func(int) { boundHeap() }, 0)
}

// collected is garbage that the next collection frees.
type collected struct{ _ *int }

// Self returns a path under which this very program can be started again, even if its
// file has been replaced meanwhile.
func Self() (string, error) {
	path, err := "/proc/self/exe", error(nil)
	if runtime.GOOS == "linux" {
		_, err = os.Lstat(path)
	} else {
		path, err = os.Executable()
	}
	return path, noSelf(err)
}

// noSelf says why no bundled plugin can be started. Retrying does not help.
func noSelf(err error) error {
	if err == nil {
		return nil
	}
	return failure.New(failure.Precondition, failure.Crashed, "dprun cannot start its own program again, which serves the bundled plugins: %w", err).
		WithRemedy("mount /proc, also in a container or a chroot")
}
