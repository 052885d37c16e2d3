package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/state"
	"github.com/dprun/dprun/testfixtures/need"
)

// The verified bytes are the imported ones, even if somebody else writes the file
// meanwhile.
func TestAnArchiveThatChangesMeanwhileIsUsedAsItWas(t *testing.T) {
	t.Parallel()
	r := &Runner{}
	r.state = need.Value(state.Open(filepath.Join(t.TempDir(), "state")))(t)
	archive := filepath.Join(t.TempDir(), "orders.zip")
	need.Done(t, os.WriteFile(archive, []byte("as it was"), 0o600))
	from := need.Value(r.rehearsed(t.Context(), RehearseRequest{Archive: archive}, &report.Result{}))(t)
	need.Done(t, os.WriteFile(archive, []byte("another"), 0o600))
	if got := need.Value(os.ReadFile(from.path))(t); string(got) != "as it was" || from.shown != archive {
		t.Errorf("of %s, %q is used", from.shown, got)
	}
	from.close()
	if _, err := os.Stat(filepath.Dir(from.path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy stays: %v", err)
	}
}
