// Package golden compares texts that people read with files. Tests that use it assert
// codes and key facts themselves, so that a text can be reworded without changing a
// test.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

// Update is the flag -update: write the files instead of comparing with them.
var Update = flag.Bool("update", false, "write what the tests see into the golden files")

// Same fails the test unless the file holds the text.
func Same(t testing.TB, file, text string) {
	t.Helper()
	if *Update {
		need.Done(t, os.MkdirAll(filepath.Dir(file), 0o755))
		need.Done(t, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%v; to write it, run this package's tests with -run %s -update", err, name(t))
		return
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("%s differs; if that is wanted, run this package's tests with -run %s -update (-want +got):\n%s", file, name(t), d)
	}
}

// name is the test's, without that of a subtest.
func name(t testing.TB) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return name
}
