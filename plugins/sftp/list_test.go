package sftp

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// plant puts files into the server's directory behind its back.
func plant(t *testing.T, s *sshd.Server, age time.Duration, names ...string) {
	t.Helper()
	for _, n := range names {
		p := filepath.Join(s.Dir, n)
		need.Done(t, os.MkdirAll(filepath.Dir(p), 0o777))
		if err := os.Chmod(filepath.Dir(p), 0o777); err != nil { // whatever the umask, the session's user removes files
			t.Fatal(err)
		}
		need.Done(t, os.WriteFile(p, []byte(n), 0o644))
		when := time.Now().Add(-age)
		need.Done(t, os.Chtimes(p, when, when))
	}
}

func paths(objects []sdk.Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, o.Path)
	}
	return out
}

func TestListShowsFilesInOrderAndNothingElse(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	plant(t, s, 0, "b", "a/z", "a/b/c", "a.x", "a/"+store.TempName("x"), ".dprun-not-a-part")
	need.Done(t, os.Symlink("/etc", filepath.Join(s.Dir, "link")))
	d := open(t, configFor(t, s))
	for prefix, want := range map[string][]string{
		"":     {"a.x", "a/b/c", "a/z", "b"},
		"a":    {"a/b/c", "a/z"},
		"a/b":  {"a/b/c"},
		"none": nil,
	} {
		got := need.Value(d.List(within(t, testLimit), prefix))(t)
		if diff := cmp.Diff(want, paths(got)); diff != "" {
			t.Errorf("below %q (-want +got):\n%s", prefix, diff)
		}
	}
	config := configFor(t, s)
	config.Directory += "/nowhere"
	_, err := open(t, config).List(within(t, testLimit), "")
	wantFailure(t, err, failure.NotFound, failure.NoDirectory)
}

func TestSweepRemovesOldTemporaryFilesOfTheOwner(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	old, fresh, other := "x/"+store.TempName("run/1"), "x/"+store.TempName("run/1"), "x/"+store.TempName("run_1")
	plant(t, s, 3*time.Hour, old, other, "x/final", "x/.dprun-final.part")
	plant(t, s, 0, fresh)
	for _, step := range []struct {
		r    sdk.SweepRequest
		want []string
	}{
		{sdk.SweepRequest{Prefix: "y"}, nil},
		{sdk.SweepRequest{Owner: "run/1", OlderThan: time.Hour}, []string{old}},
		{sdk.SweepRequest{OlderThan: time.Hour}, []string{other}},
		{sdk.SweepRequest{Prefix: "x"}, []string{fresh}},
	} {
		got := need.Value(d.Sweep(within(t, testLimit), step.r))(t)
		if diff := cmp.Diff(step.want, got.Removed); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", step.r, diff)
		}
	}
	if got := files(t, s.Dir); len(got) != 2 {
		t.Errorf("left: %v, want the two final names", got)
	}
}

func TestFetchAndDelete(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	r := request(t, "dir/file", 5_000_000)
	need.Value(d.Store(within(t, testLimit), r, nil))(t)
	o, err := d.List(within(t, testLimit), "dir")
	if err != nil || len(o) != 1 || o[0].Path != r.Path || o[0].Size != r.Size || time.Since(o[0].Modified).Abs() > time.Hour {
		t.Errorf("list: %+v, %v", o, err)
	}
	local := filepath.Join(t.TempDir(), "back")
	got, err := d.Fetch(within(t, testLimit), sdk.FetchRequest{Path: r.Path, File: local}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&sdk.FetchReport{Size: r.Size, SHA256: r.SHA256}, got); diff != "" {
		t.Errorf("fetch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"back": r.SHA256}, files(t, filepath.Dir(local))); diff != "" {
		t.Errorf("local (-want +got):\n%s", diff)
	}
	_, err = d.Fetch(within(t, testLimit), sdk.FetchRequest{Path: r.Path, File: local}, nil)
	wantFailure(t, err, failure.Internal, failure.StagingIO)
	if got := files(t, filepath.Dir(local)); len(got) != 1 {
		t.Error("a local file that was there already was removed")
	}

	wantFailure(t, d.Delete(within(t, testLimit), "dir"), failure.Precondition, "")
	_, err = d.Fetch(within(t, testLimit), sdk.FetchRequest{Path: "dir", File: local + "2"}, nil)
	wantFailure(t, err, failure.NotFound, failure.NoSuchFile)
	for range 2 { // the second time it is not there
		if err := d.Delete(within(t, testLimit), r.Path); err != nil {
			t.Error(err)
		}
	}
	_, err = d.Fetch(within(t, testLimit), sdk.FetchRequest{Path: r.Path, File: local + "2"}, nil)
	wantFailure(t, err, failure.NotFound, failure.NoSuchFile)
}
