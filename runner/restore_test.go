package runner

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

// leftRestore makes the directory and the row of a restore as a dead process
// leaves them.
func leftRestore(t *testing.T, r *Runner, run string) string {
	t.Helper()
	dir := filepath.Join(r.state.Restores(), run)
	need.Done(t, os.Mkdir(dir, 0o700))
	need.Done(t, os.WriteFile(filepath.Join(dir, "archive.zip"), nil, 0o600))
	need.Done(t, r.kept.Load().journal.SetRestore(t.Context(), journal.Restore{Run: run, Device: "gw", Domain: "orders", Began: time.Now()}))
	return dir
}

// A restore that was killed before it wrote its pending file leaves no archive.
// The archive of a pending restore stays, and so does that of one at work.
func TestOnlyWhatARestoreIsLookedAtWithStays(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	killed, owed, live := ended(t, r, "p"), ended(t, r, "p"), ended(t, r, "p")
	dirs := map[string]string{killed: leftRestore(t, r, killed), owed: leftRestore(t, r, owed), live: leftRestore(t, r, live)}
	need.Done(t, r.pending.Put(pending.Obligation{Key: pending.Key{Run: owed, ID: owedRestore}, Kind: pending.Restore, Device: "gw", Domain: "orders", Since: time.Now(), Endpoint: json.RawMessage(`{}`)}))
	recovering(t, r, live)
	unread := ended(t, r, "p") // it is unknown whether a process works on it
	dirs[unread] = leftRestore(t, r, unread)
	path := r.locks.Path(lock.RunKey(unread))
	need.Done(t, errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)))
	r.begin(Operation{}).forgetRestores(t.Context())
	for run, dir := range dirs {
		_, err := os.Stat(dir)
		if (err == nil) == (run == killed) {
			t.Errorf("%s: %v", run, err)
		}
		end := need.Value(r.kept.Load().journal.Restore(t.Context(), run))(t).End
		if (end == "refused") != (run == killed) {
			t.Errorf("%s has ended %q", run, end)
		}
	}
}

// A restore that was killed with a permit, before it wrote its pending file, is a
// run that the journal does not know, and leaves nothing to undo. If somebody has
// removed the pending file of a restore, the restore may have sent something.
func TestAKilledRestoreOwesOnlyWhatItHasPromised(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	j := r.kept.Load().journal
	permitted, promised := "01M8J1X3RGMT9D2E6RR113QC0Y", ended(t, r, "p")
	for run, steps := range map[string]string{permitted: "", promised: `[{"phase":"promise","answer":"good"}]`} {
		dir := filepath.Join(r.state.Restores(), run)
		need.Done(t, os.Mkdir(dir, 0o700))
		need.Done(t, j.Remember(t.Context(), pending.Obligation{Key: pending.Key{Run: run, ID: owedRestore}, Kind: pending.Restore, Device: "gw", Domain: "orders", Since: time.Now()}))
		if steps != "" {
			need.Done(t, j.SetRestore(t.Context(), journal.Restore{Run: run, Device: "gw", Domain: "orders", Began: time.Now(), Steps: json.RawMessage(steps)}))
		}
	}
	need.Done(t, os.WriteFile(r.locks.Path(lock.RunKey(permitted)), nil, 0o600)) // as a recovery leaves it
	res, _ := r.Recover(t.Context(), RecoverRequest{})
	if len(res.Owed) != 1 || res.Owed[0].Run != promised {
		t.Errorf("owed: %+v", res.Owed)
	}
	if runs := need.Value(r.begin(Operation{}).forgotten(t.Context()))(t); len(runs) != 0 {
		t.Errorf("forgotten: %+v", runs)
	}
	if _, err := os.Stat(filepath.Join(r.state.Restores(), permitted)); err == nil {
		t.Error("its archive stays")
	}
	if res, err := r.Recover(t.Context(), RecoverRequest{}); len(res.Owed) != 1 {
		t.Errorf("owed: %+v, %v", res.Owed, err)
	}
}

// A restore that is not proven stays pending until a person ends it, and does not
// stop backups of the device.
func TestARestoreThatIsNotProvenIsOwedAndKeepsNoBackup(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := ended(t, r, "p")
	dir := leftRestore(t, r, run)
	body := need.Value(json.Marshal(map[string]string{"type": "datapower", "archive": filepath.Join(dir, "archive.zip"), "way_back_set": "01WAY"}))(t)
	need.Done(t, r.pending.Put(pending.Obligation{Key: pending.Key{Run: run, ID: owedRestore}, Kind: pending.Restore, Device: "gw", Domain: "orders", Since: time.Now(), Endpoint: body}))
	if left := r.Owed(t.Context()); left.ExitCode != ExitOwed || len(left.Owed) != 1 || left.Owed[0].Acknowledge != "dprun recover --ack gw" {
		t.Errorf("owed: %+v", left)
	}
	op := r.begin(Operation{})
	names, _ := settle.Blocked(need.Value(op.outstanding(t.Context()))(t), time.Now())
	if len(names) > 0 {
		t.Errorf("blocked: %v", names)
	}
	if done := need.Value(r.Acknowledge(t.Context(), AcknowledgeRequest{Target: "gw"}))(t); done.Obligations != 1 {
		t.Errorf("acknowledged: %+v", done)
	}
	if left := r.Owed(t.Context()); left.ExitCode != 0 || len(left.Owed) != 0 {
		t.Errorf("still owed: %+v", left)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("its files stay")
	}
	if got := need.Value(r.kept.Load().journal.Restore(t.Context(), run))(t); got.End != "acknowledged" {
		t.Errorf("it has ended %q", got.End)
	}
}

// Two plans may give two boxes the same name. A proof about one says nothing
// about the other.
func TestARestoreEndsEarlierOnesOfItsOwnBoxAlone(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	same, other := ended(t, r, "p"), ended(t, r, "q")
	for run, identity := range map[string]string{same: "A1", other: "B2"} {
		leftRestore(t, r, run)
		need.Done(t, r.pending.Put(pending.Obligation{Key: pending.Key{Run: run, ID: owedRestore}, Kind: pending.Restore, Device: "gw", Domain: "orders", Identity: identity, Since: time.Now(), Endpoint: json.RawMessage(`{}`)}))
	}
	w := &restoring{operation: r.begin(Operation{}), q: RestoreRequest{RehearseRequest: RehearseRequest{Device: "gw", Domain: "orders"}}, spec: lifecycle.RunSpec{ID: "01NOW"}, facts: &sdk.Facts{Identity: "A1"}}
	w.supersede(t.Context())
	if left := r.Owed(t.Context()).Owed; len(left) != 1 || left[0].Run != other {
		t.Errorf("owed: %+v", left)
	}
}

// A restore proves the copy that it has imported, and not one that somebody has
// put at another destination under the same ID.
func TestARestoreProvesTheCopyThatItHasImported(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	of := func(root, sum string) backups.Copy {
		at := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
		c := backups.Copy{Root: root, Destination: "file.here", Plan: "p", Path: "gw/d.dprun.json", SHA256: strings.Repeat(sum, 32), Run: "01A", Task: "x/gw/d", Device: "gw", Domain: "d", Activity: "x", Type: "export_domain",
			Stamp: at.Format("2006-01-02-15-04-05-") + "123", Captured: at, Verified: "read_back", State: backups.Whole, Stored: at,
			Files: []backups.File{{File: "d.zip", Variant: "persisted", Size: 42, SHA256: strings.Repeat(sum, 32)}}}
		c.Set = need.Value(backups.ID(c.Run, c.Task, c.Stamp))(t)
		return c
	}
	planted, restored := of("/a", "00"), of("/b", "ab")
	j := r.kept.Load().journal
	need.Value(j.Import(t.Context(), planted, restored))(t)
	w := &restoring{operation: r.begin(Operation{}), copy: restored, row: journal.Restore{Set: restored.Set}}
	need.Done(t, w.prove(t.Context()))
	if got := need.Value(j.Proofs(t.Context(), ""))(t); len(got) != 1 || got[0].SHA256 != restored.Files[0].SHA256 {
		t.Errorf("proven is %+v", got)
	}
}
