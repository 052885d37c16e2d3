package pending

import (
	"github.com/dprun/dprun/testfixtures/need"

	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/lifecycle"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func owed(task, device string, since time.Time) Obligation {
	return Obligation{Key: Key{Run: "01R", Task: task, ID: "unquiesce"}, Kind: Unquiesce, Plan: "p", Device: device, Identity: "SN1", Domain: "orders", Since: since,
		DueBack: since.Add(time.Hour), Debt: &lifecycle.DebtSpec{Device: device, Domain: "orders", QuiescedAt: since, Unquiesce: time.Minute, Grace: time.Minute},
		Endpoint: json.RawMessage(`{"type":"datapower"}`)}
}

func list(t *testing.T, d *Dir) ([]Obligation, []Damaged) {
	t.Helper()
	out, damaged, err := d.List()
	need.Done(t, err)
	return out, damaged
}

// compact makes raw JSON comparable, because the file indents it.
var compact = cmp.Transformer("compact", func(m json.RawMessage) string { return strings.Join(strings.Fields(string(m)), "") })

func TestWhatIsOwedStandsInAFileUntilItIsDone(t *testing.T) {
	t.Parallel()
	d := Open(t.TempDir())
	first, second := owed("a", "gw-1", noon), owed("b", "gw-2", noon.Add(time.Minute))
	need.Done(t, d.Put(second))
	need.Done(t, d.Put(first))
	first.Script = "exec.later"
	need.Done(t, d.Put(first)) // it replaces the one before
	got, damaged := list(t, Open(d.path))
	if diff := cmp.Diff([]Obligation{first, second}, got, compact); diff != "" || len(damaged) > 0 {
		t.Error(damaged, diff)
	}
	info, err := os.Stat(d.Path(first.Key))
	need.Done(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	need.Done(t, d.Remove(first.Key))
	need.Done(t, d.Remove(first.Key)) // a second removal is no error
	if got, _ := list(t, d); len(got) != 1 || got[0].Key != second.Key {
		t.Errorf("left: %v", got)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"empty":             func(p string) error { return os.Truncate(p, 0) },
		"cut":               func(p string) error { return os.Truncate(p, 40) },
		"no obligation":     func(p string) error { return os.WriteFile(p, []byte("{}"), 0o600) },
		"of a newer dprun":  func(p string) error { return os.WriteFile(p, []byte(`{"v": 2}`), 0o600) },
		"by another's name": func(p string) error { return os.Rename(p, filepath.Join(filepath.Dir(p), "01R-0000.json")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := Open(t.TempDir())
			o := owed("a", "gw", noon)
			need.Done(t, d.Put(o))
			need.Done(t, spoil(d.Path(o.Key)))
			got, damaged := list(t, d)
			if len(got) != 0 || len(damaged) != 1 || !strings.Contains(damaged[0].Error(), damaged[0].Path) {
				t.Errorf("%v, %v", got, damaged)
			}
		})
	}
}

func TestOneProcessAtATimeSettles(t *testing.T) {
	t.Parallel()
	d := Open(t.TempDir())
	o := owed("a", "gw", noon)
	need.Done(t, d.Put(o))
	release, there, err := d.Claim(o.Key)
	if !there || err != nil {
		t.Fatal(there, err)
	}
	if _, _, err := d.Claim(o.Key); !errors.Is(err, errClaimed) {
		t.Errorf("claimed twice: %v", err)
	}
	release()
	release, there, err = d.Claim(o.Key)
	if !there || err != nil {
		t.Fatal(there, err)
	}
	need.Done(t, d.Remove(o.Key))
	release()
	if _, there, err := d.Claim(o.Key); there || err != nil {
		t.Errorf("what is done is still there: %v", err)
	}
}

func TestADirectoryThatIsNotThereOwesNothing(t *testing.T) {
	t.Parallel()
	if got, damaged := list(t, Open(filepath.Join(t.TempDir(), "none"))); len(got)+len(damaged) > 0 {
		t.Error(got, damaged)
	}
}
