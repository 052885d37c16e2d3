package need

import (
	"flag"
	"runtime"
	"strconv"
)

// AtOnce lets so many tests for each processor run at once, where the command
// line does not say how many: tests of whole runs wait more than they work.
// TestMain calls it.
func AtOnce(perProcessor int) {
	if err := flag.Set("test.parallel", strconv.Itoa(perProcessor*runtime.GOMAXPROCS(0))); err != nil {
		panic(err) // it is not called in a test
	}
}
