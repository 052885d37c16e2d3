package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestDirTakesTheFirstThatIsSet(t *testing.T) {
	t.Parallel()
	cwd := need.Value(os.Getwd())(t)
	for name, tc := range map[string]struct {
		flag string
		env  map[string]string
		want string
	}{
		"flag first":           {"/flag", map[string]string{EnvDir: "/env", "XDG_STATE_HOME": "/xdg", "HOME": "/home/u"}, "/flag"},
		"flag made absolute":   {"here", nil, filepath.Join(cwd, "here")},
		"then the variable":    {"", map[string]string{EnvDir: "/env", "XDG_STATE_HOME": "/xdg", "HOME": "/home/u"}, "/env"},
		"then XDG":             {"", map[string]string{"XDG_STATE_HOME": "/xdg", "HOME": "/home/u"}, "/xdg/dprun"},
		"relative XDG ignored": {"", map[string]string{"XDG_STATE_HOME": "xdg", "HOME": "/home/u"}, "/home/u/.local/state/dprun"},
		"then home":            {"", map[string]string{"HOME": "/home/u"}, "/home/u/.local/state/dprun"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Dir(tc.flag, func(k string) string { return tc.env[k] })
			if err != nil || got != tc.want {
				t.Errorf("Dir = %q, %v; want %q", got, err, tc.want)
			}
		})
	}
	if got, err := Dir("", func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("Dir with nothing set = %q, %v; want an error that names --state-dir", got, err)
	}
}

func TestOpenMakesAPrivateTree(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // the second time everything is there already
		s := need.Value(Open(dir))(t)
		for _, d := range []string{s.root, s.Staging(), s.Locks(), s.Plugins(), s.Work()} {
			info := need.Value(os.Lstat(d))(t)
			if info.Mode() != os.ModeDir|0o700 {
				t.Errorf("%s has mode %v, want drwx------", d, info.Mode())
			}
		}
		if filepath.Dir(s.Journal()) != s.root {
			t.Errorf("journal %s is not in %s", s.Journal(), s.root)
		}
	}
}

func TestOpenFollowsALinkOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real := need.Value(filepath.EvalSymlinks(dir))(t)
	need.Done(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	need.Done(t, os.Symlink("real", filepath.Join(dir, "link")))
	s := need.Value(Open(filepath.Join(dir, "link")))(t)
	if want := filepath.Join(real, "real"); s.root != want {
		t.Errorf("Root = %s, want %s", s.root, want)
	}
}

func TestOpenRefusesADirectoryThatOthersCanChange(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(dir string) error{
		"group-writable":        func(dir string) error { return os.Chmod(dir, 0o770) },
		"world-writable":        func(dir string) error { return os.Chmod(dir, 0o707) },
		"world-writable within": func(dir string) error { return mkdirMode(filepath.Join(dir, "locks"), 0o777) },
		"a link within":         func(dir string) error { return os.Symlink(os.TempDir(), filepath.Join(dir, "staging")) },
		"a file within":         func(dir string) error { return os.WriteFile(filepath.Join(dir, "work"), nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			need.Done(t, os.Chmod(dir, 0o700))
			need.Done(t, prepare(dir))
			_, err := Open(dir)
			if unfit := new(UnfitError); !errors.As(err, &unfit) || unfit.Remedy == "" {
				t.Errorf("Open = %v, want an UnfitError with a remedy", err)
			}
		})
	}
}

func mkdirMode(dir string, mode os.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode) // past the umask
}

func TestFitRefusesAnotherOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.Chmod(dir, 0o700))
	if err := fit(dir, os.Geteuid()); err != nil {
		t.Fatalf("own directory: %v", err)
	}
	if err := fit(dir, os.Geteuid()+1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("another user's directory: %v", err)
	}
}

func TestNetworkFileSystemsAreTold(t *testing.T) {
	t.Parallel()
	got := map[string]string{
		"nfs":  networkMagic(0x6969),
		"cifs": networkMagic(0xff534d42),
		"smb2": networkMagic(0xfe534d42),
		"ext4": networkMagic(0xef53),
		"xfs":  networkMagic(0x58465342),
		"tmp":  networkMagic(0x01021994),
	}
	want := map[string]string{"nfs": "NFS", "cifs": "CIFS", "smb2": "SMB2", "ext4": "", "xfs": "", "tmp": ""}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if name, err := networkFileSystem(t.TempDir()); err != nil || name != "" {
		t.Errorf("a temporary directory = %q, %v; want local", name, err)
	}
}

func TestFUSEIsToldByItsMount(t *testing.T) {
	t.Parallel()
	const mountinfo = `23 29 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw
98 29 0:45 / /mnt/vault rw,nosuid shared:61 - fuse.sshfs u@vault:/ rw,user_id=0
99 29 0:46 / /mnt/pool rw master:1 shared:62 - fuse.mergerfs pool rw
`
	for device, want := range map[string]string{"0:45": "sshfs", "0:46": "", "9:9": ""} {
		if got := networkFUSE(mountType(mountinfo, device)); got != want {
			t.Errorf("device %s = %q, want %q", device, got, want)
		}
	}
}

func TestAnOddJournalIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.Chmod(dir, 0o700))
	s := need.Value(Open(dir))(t)
	if odd := s.Odd(); len(odd) > 0 {
		t.Errorf("none yet: %v", odd)
	}
	need.Done(t, os.WriteFile(s.Journal(), nil, 0o600))
	if odd := s.Odd(); len(odd) > 0 {
		t.Errorf("private: %v", odd)
	}
	need.Done(t, os.Chmod(s.Journal(), 0o666))
	if odd := s.Odd(); len(odd) != 1 || !strings.HasSuffix(odd[0], "can be written by others (mode 0666): chmod 0600 "+s.Journal()) {
		t.Errorf("open to all: %v", odd)
	}
	need.Done(t, errors.Join(os.Rename(s.Journal(), s.Journal()+"-elsewhere"), os.Symlink(s.Journal()+"-elsewhere", s.Journal())))
	if odd := s.Odd(); len(odd) != 1 || !strings.Contains(odd[0], "is a link") {
		t.Errorf("a link: %v", odd)
	}
}

// TestAStateDirectoryHasOneID: whoever asks first makes it, and one that cannot
// be one is refused instead of replaced: sets would be another's.
func TestAStateDirectoryHasOneID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := need.Value(Open(dir))(t)
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			id, err := s.ID()
			if err != nil {
				t.Error(err)
			}
			ids <- id
		}()
	}
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Errorf("it is %s and %s", first, id)
		}
	}
	if other := need.Value(need.Value(Open(t.TempDir()))(t).ID())(t); other == first || len(first) != idSize {
		t.Errorf("two directories are %s and %s", first, other)
	}
	file := filepath.Join(dir, "id")
	for _, body := range []string{"", first[1:] + "\n", first + first, "\x1b[2J" + first[4:] + "\n"} {
		need.Done(t, os.WriteFile(file, []byte(body), 0o600))
		if id, err := s.ID(); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q is the ID %q, %v", body, id, err)
		}
	}
}
