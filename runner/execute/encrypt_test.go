package execute

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

const marker = "the secret of the gateway"

// safe is a destination that keeps what it is given, and takes no other content for the same path.
type safe struct {
	sdk.Destination
	mu   sync.Mutex
	kept map[string][]byte
	fail error // of the next store, after it has kept the file
}

func (s *safe) Store(_ context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	body, err := os.ReadFile(r.Source)
	if err != nil {
		return nil, failure.New(failure.NotFound, failure.SourceIO, "%w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, there := s.kept[r.Path]; there && !bytes.Equal(old, body) {
		return nil, failure.New(failure.Exists, failure.Occupied, "%s holds something else", r.Path)
	}
	s.kept[r.Path] = body
	progress(r.Size)
	if s.fail != nil {
		return nil, s.fail
	}
	return &sdk.StoreReport{Location: "/safe/" + r.Path, Size: r.Size, SHA256: r.SHA256, Verified: r.Verify, Durable: true}, nil
}

func (s *safe) Check(context.Context) (*sdk.DestinationReport, error) {
	return &sdk.DestinationReport{Location: "/safe"}, nil
}

// vault is a task with one captured file, and destinations that are encrypted or not.
type vault struct {
	dir  string
	area *staging.Staging
	safe *safe
	job  engine.Job
}

func newVault(t *testing.T, destinations ...lifecycle.Destination) *vault {
	v := &vault{dir: t.TempDir(), safe: &safe{kept: map[string][]byte{}}}
	v.area = need.Value(staging.Open(v.dir))(t)
	t.Cleanup(func() { need.Done(t, v.area.Close()) })
	d := need.Value(v.area.Capture("run", "task", "persisted"))(t)
	body := []byte(strings.Repeat(marker+"\n", 10_000))
	need.Done(t, os.WriteFile(filepath.Join(d.Path(), "export.zip"), body, 0o600))
	sealed := need.Value(d.Seal(t.Context(), []sdk.Artifact{{Name: "export.zip", Size: int64(len(body)), SHA256: hashOf(body)}}))(t)
	sets := map[string]string{}
	for _, d := range destinations {
		sets[d.Name] = d.Name
	}
	v.job = engine.Job{Task: &lifecycle.TaskSpec{ID: "task", Device: "gw", Activity: lifecycle.Activity{Name: "export", Type: "export_domain"}, Destinations: destinations}, Progress: func(int64, int64) {},
		Prepared: &event.Prepared{Name: "d", Stamp: "2026-11-23-12-00-00-123", Sets: sets},
		Captured: []event.Captured{{Variant: "persisted", Artifacts: []event.Artifact{{Name: "export.zip", Staged: sealed[0].Path, File: "d.zip", Size: sealed[0].Size, SHA256: sealed[0].SHA256}}}}}
	return v
}

// process is an executor of its own: a new one knows nothing of what the last one did.
func (v *vault) process() *Executor {
	return New(Options{Run: "run", Staging: v.area, Plan: planOf{verify: sdk.VerifyReadBack}, Plugins: pluginsOf{d: v.safe}, Clock: clock.System{}, Redact: &redact.Redactor{}, Log: slog.New(slog.DiscardHandler)})
}

func (v *vault) store(x *Executor, destination string) (*sdk.StoreReport, error) {
	j := v.job
	j.Action = lifecycle.Action{ActionID: lifecycle.ActionID{Kind: lifecycle.ActStore, Variant: "persisted"}, Destination: destination}
	r, err := x.store(context.Background(), j)
	if err != nil {
		return nil, err
	}
	return r.Store, nil
}

// readable lists the staged files that hold the marker.
func (v *vault) readable(t *testing.T) (out []string) {
	need.Done(t, fs.WalkDir(os.DirFS(v.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(filepath.Join(v.dir, name))
		if bytes.Contains(body, []byte(marker)) {
			out = append(out, name)
		}
		return err
	}))
	return out
}

func TestWhatIsStoredEncryptedIsPlainNowhere(t *testing.T) {
	t.Parallel()
	key := need.Value(age.GenerateX25519Identity())(t)
	to := []string{key.Recipient().String()}
	v := newVault(t, lifecycle.Destination{Name: "a", Recipients: to}, lifecycle.Destination{Name: "b", Recipients: to})
	x := v.process()
	r := need.Value(v.store(x, "a"))(t)
	need.Value(v.store(x, "b"))(t)
	stored := v.safe.kept["a/d.zip.age"]
	if !bytes.Equal(stored, v.safe.kept["b/d.zip.age"]) || len(stored) == 0 || bytes.Contains(stored, []byte(marker)) || r.SHA256 != hashOf(stored) {
		t.Errorf("stored are %d and %d bytes", len(stored), len(v.safe.kept["b/d.zip.age"]))
	}
	if plain := v.readable(t); plain != nil {
		t.Errorf("still readable in staging: %v", plain)
	}
	opened := need.Value(age.Decrypt(bytes.NewReader(stored), key))(t)
	var out bytes.Buffer
	need.Value(out.ReadFrom(opened))(t)
	if got := hashOf(out.Bytes()); got != v.job.Captured[0].Artifacts[0].SHA256 {
		t.Errorf("it opens to %s", got)
	}

	j := v.job
	j.Action, j.Stored = lifecycle.Action{Destination: "b"}, []sdk.StoreReport{*r}
	m := need.Value(x.manifest(context.Background(), j))(t)
	f := m.Copy.Files[0]
	if f.File != "d.zip.age" || f.SHA256 != r.SHA256 || f.Opened() != (backups.File{File: "d.zip", Variant: "persisted", Size: j.Captured[0].Artifacts[0].Size, SHA256: j.Captured[0].Artifacts[0].SHA256}) ||
		len(f.Encrypted.Recipients) != 1 || f.Encrypted.Recipients[0] != to[0] {
		t.Errorf("the manifest lists %+v", f)
	}
	need.Value(backups.ParseManifest(v.safe.kept["b/d.dprun.json"], "b/d.dprun.json"))(t)
}

// TestACrashedStoreSendsTheSameBytesAgain: age is random, and other bytes would collide.
func TestACrashedStoreSendsTheSameBytesAgain(t *testing.T) {
	t.Parallel()
	to := []string{need.Value(age.GenerateX25519Identity())(t).Recipient().String()}
	v := newVault(t, lifecycle.Destination{Name: "a", Recipients: to})
	v.safe.fail = failure.New(failure.Unavailable, failure.Unreachable, "the connection broke")
	if _, err := v.store(v.process(), "a"); err == nil {
		t.Fatal("the first store ended well")
	}
	first := v.safe.kept["a/d.zip.age"]
	v.safe.fail = nil
	next := v.process()
	need.Value(v.store(next, "a"))(t)
	if !bytes.Equal(first, v.safe.kept["a/d.zip.age"]) {
		t.Error("the second store sent other bytes")
	}
	j := v.job
	j.Action = lifecycle.Action{Destination: "a"}
	if m := need.Value(v.process().manifest(context.Background(), j))(t); m.Copy.Files[0].SHA256 != hashOf(first) {
		t.Errorf("the manifest of a third process lists %+v", m.Copy.Files[0])
	}
}

// TestWhatWasNotEncryptedToTheEndIsEncryptedAnew: nothing of it was stored.
func TestWhatWasNotEncryptedToTheEndIsEncryptedAnew(t *testing.T) {
	t.Parallel()
	to := []string{need.Value(age.GenerateX25519Identity())(t).Recipient().String()}
	v := newVault(t, lifecycle.Destination{Name: "a", Recipients: to}, lifecycle.Destination{Name: "plain"})
	need.Value(v.store(v.process(), "a"))(t)
	dirs, err := filepath.Glob(filepath.Join(v.dir, "run", "*", "age-*-persisted-1", "0.age"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("found %v, %v", dirs, err)
	}
	need.Done(t, os.Chmod(dirs[0], 0o600))
	need.Done(t, os.Truncate(dirs[0], 100))
	first := v.safe.kept["a/d.zip.age"]
	clear(v.safe.kept)
	need.Value(v.store(v.process(), "a"))(t)
	if bytes.Equal(first, v.safe.kept["a/d.zip.age"]) || len(first) != len(v.safe.kept["a/d.zip.age"]) {
		t.Errorf("stored are %d bytes, before %d", len(v.safe.kept["a/d.zip.age"]), len(first))
	}
	if r := need.Value(v.store(v.process(), "plain"))(t); r.SHA256 != v.job.Captured[0].Artifacts[0].SHA256 {
		t.Errorf("stored plain is %+v", r)
	}
}

// TestAManifestNeverListsWhatWasNotStored: nothing is encrypted for it.
func TestAManifestNeverListsWhatWasNotStored(t *testing.T) {
	t.Parallel()
	v := newVault(t, lifecycle.Destination{Name: "a", Recipients: []string{need.Value(age.GenerateX25519Identity())(t).Recipient().String()}})
	j := v.job
	j.Action = lifecycle.Action{Destination: "a"}
	if m, err := v.process().manifest(context.Background(), j); err == nil || !strings.Contains(err.Error(), "not in staging any more") {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestAFileThatChangedInStagingIsNotEncrypted: nobody would see it afterwards.
func TestAFileThatChangedInStagingIsNotEncrypted(t *testing.T) {
	t.Parallel()
	v := newVault(t, lifecycle.Destination{Name: "a", Recipients: []string{need.Value(age.GenerateX25519Identity())(t).Recipient().String()}})
	name := need.Value(v.area.Path(v.job.Captured[0].Artifacts[0].Staged))(t)
	need.Done(t, os.Chmod(name, 0o600))
	need.Done(t, os.WriteFile(name, []byte("something else"), 0o600))
	_, err := v.store(v.process(), "a")
	if f := failure.From(err); f == nil || f.Kind != failure.Corrupt || len(v.safe.kept) > 0 {
		t.Errorf("%v, stored %d", err, len(v.safe.kept))
	}
	need.Done(t, os.Remove(name))
	if _, err = v.store(v.process(), "a"); failure.From(err) == nil || failure.From(err).Kind != failure.NotFound {
		t.Errorf("of a file that is gone: %v", err)
	}
}

// TestEachSetOfRecipientsHasItsOwnBytes: and none can read what is for the other.
func TestEachSetOfRecipientsHasItsOwnBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var keys []string
	var files []string
	for _, name := range []string{"a", "b"} {
		key := need.Value(age.GenerateX25519Identity())(t)
		keys, files = append(keys, key.Recipient().String()), append(files, filepath.Join(dir, name))
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(key.String()), 0o600))
	}
	v := newVault(t, lifecycle.Destination{Name: "a", Recipients: keys[:1]}, lifecycle.Destination{Name: "b", Recipients: keys[1:]})
	x := v.process()
	need.Value(v.store(x, "a"))(t)
	if plain := v.readable(t); plain != nil {
		t.Errorf("readable after the first store: %v", plain)
	}
	need.Value(v.store(v.process(), "b"))(t)
	for i, file := range files {
		id := need.Value(cipher.Read([]string{file}, nil))(t)
		for n, at := range []string{"a/d.zip.age", "b/d.zip.age"} {
			var out bytes.Buffer
			_, err := id.Decrypt(t.Context(), &out, bytes.NewReader(v.safe.kept[at]))
			if (err == nil) != (i == n) || strings.Contains(out.String(), marker) != (i == n) {
				t.Errorf("identity %d, %s: %v", i, at, err)
			}
		}
	}
}
