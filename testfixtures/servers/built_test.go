//go:build builtservers

package servers_test

import (
	"os"
	"testing"

	"github.com/dprun/dprun/testfixtures/servers"
)

// TestBuiltServersStoreWhatDprunVerifies is started by built/run.sh.
func TestBuiltServersStoreWhatDprunVerifies(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("DPRUN_BUILT_SERVERS")
	if dir == "" {
		t.Fatal("DPRUN_BUILT_SERVERS names no directory: run `make test-servers`")
	}
	for _, k := range servers.Built(dir) {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			r := serverTest(t, k)
			r.Built = true
			note(t, r)
		})
	}
}
