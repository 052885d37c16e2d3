package datapower_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestUnusableTrustedRootsAreAnErrorOfThePlan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := filepath.Join(dir, "none.pem")
	need.Done(t, os.WriteFile(none, []byte("no certificate\n"), 0o600))
	for name, file := range map[string]string{"not there": filepath.Join(dir, "missing.pem"), "a directory": dir, "without a certificate": none} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := datapower.Configure(datapower.Config{Host: "::1", Port: 5550, TLS: &datapower.TLSConfig{CAFile: file}}, sdk.Env{})
			f, ok := errors.AsType[*failure.Error](err)
			if !ok || f.Kind != failure.Precondition || f.Reason != failure.BadConfig {
				t.Fatalf("got %v, want precondition/bad_config", err)
			}
			if !strings.HasPrefix(f.Message, "[::1]:5550 was not contacted: ") || !strings.Contains(f.Message, file) {
				t.Errorf("the message is %q", f.Message)
			}
			if !strings.Contains(f.Remedy, "check the plan: tls.ca_file") {
				t.Errorf("the remedy is %q", f.Remedy)
			}
		})
	}
}
