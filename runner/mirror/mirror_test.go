package mirror

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

const source = "plugins.example.com/backup/greet"

// directory writes a package as a directory.
func directory(t *testing.T, path string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(path, name)
		need.Done(t, os.MkdirAll(filepath.Dir(file), 0o755))
		need.Done(t, os.WriteFile(file, []byte(text), 0o644))
	}
}

// archive writes the same as an archive.
func archive(t *testing.T, path string, files map[string]string) {
	t.Helper()
	need.Done(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f := need.Value(os.Create(path))(t)
	z := zip.NewWriter(f)
	for name, text := range files {
		w := need.Value(z.Create(name))(t)
		need.Value(w.Write([]byte(text)))(t)
	}
	need.Done(t, z.Close())
	need.Done(t, f.Close())
}

func greet() map[string]string {
	return map[string]string{Program("greet"): "#!/bin/sh\n", "lib/a.js": "a", "VERSION": "1"}
}

func TestPackagesAreFoundTheNewestFirst(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), t.TempDir()
	for _, p := range []string{"1.2.0/linux_amd64", "1.10.0/linux_amd64", "1.10.0/linux_arm64", "latest/linux_amd64", "1.3.0/README"} {
		directory(t, filepath.Join(one, source, p), greet())
	}
	archive(t, filepath.Join(two, source, "dprun-plugin-greet_1.9.1_linux_amd64.zip"), greet())
	archive(t, filepath.Join(two, source, "dprun-plugin-greet_1.10.0_linux_amd64.zip"), greet())
	archive(t, filepath.Join(two, source, "dprun-plugin-other_1.0.0_linux_amd64.zip"), greet())
	found := need.Value(Find([]string{one, two}, source))(t)
	var got []string
	for _, p := range found {
		from := "one"
		if strings.HasPrefix(p.Path, two) {
			from = "two"
		}
		got = append(got, p.Version+" "+p.Platform+" "+from)
	}
	if want := []string{"1.10.0 linux_amd64 one", "1.10.0 linux_arm64 one", "1.9.1 linux_amd64 two", "1.2.0 linux_amd64 one"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := Find([]string{filepath.Join(one, "none")}, source); err == nil {
		t.Error("a mirror that is not there holds nothing, and nobody is told")
	}
}

func TestADigestIsOverAllFilesWhateverTheForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	directory(t, filepath.Join(dir, "d"), greet())
	archive(t, filepath.Join(dir, "z.zip"), greet())
	want := need.Value(Digest(filepath.Join(dir, "d")))(t)
	if got := need.Value(Digest(filepath.Join(dir, "z.zip")))(t); got != want {
		t.Errorf("the archive has %s, the directory %s", got, want)
	}
	need.Done(t, os.Rename(filepath.Join(dir, "d", "VERSION"), filepath.Join(dir, "d", "VERSIONS")))
	if got := need.Value(Digest(filepath.Join(dir, "d")))(t); got == want {
		t.Error("a file with another name is not noticed")
	}
	need.Done(t, os.Symlink("/etc/passwd", filepath.Join(dir, "d", "link")))
	if _, err := Digest(filepath.Join(dir, "d")); err == nil || !strings.Contains(err.Error(), "holds link, which is neither") {
		t.Errorf("a package with a link: %v", err)
	}
}

func TestAPackageIsInstalledWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, plugins := filepath.Join(dir, "d"), filepath.Join(dir, "plugins")
	directory(t, path, greet())
	p := Package{Version: "1.0.0", Platform: "linux_amd64", Path: path}
	digest := need.Value(Digest(path))(t)
	back := need.Value(Install(p, "greet", digest, plugins))(t)
	if info := need.Value(os.Stat(plugins))(t); info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the plugins has the mode %o", info.Mode().Perm())
	}
	program := filepath.Join(plugins, Program("greet"))
	if info := need.Value(os.Stat(program))(t); info.Mode().Perm() != 0o755 {
		t.Errorf("the program has the mode %o", info.Mode().Perm())
	}
	if got := need.Value(Installed(program))(t); filepath.Base(got) != "1.0.0" || need.Value(Digest(got))(t) != digest {
		t.Errorf("%s is installed", got)
	}

	need.Done(t, back())
	if _, err := os.Lstat(program); err == nil {
		t.Error("there was none before, and there is one now")
	}
	need.Value(Install(p, "greet", digest, plugins))(t)
	newer := p
	newer.Version = "1.1.0"
	need.Done(t, need.Value(Install(newer, "greet", digest, plugins))(t)())
	if got := need.Value(Installed(program))(t); filepath.Base(got) != "1.0.0" {
		t.Errorf("the one before was 1.0.0, and it is %s", got)
	}

	directory(t, path, map[string]string{"more": ""})
	if _, err := Install(p, "greet", digest, plugins); err == nil || !strings.Contains(err.Error(), "was expected") {
		t.Errorf("a package with another digest: %v", err)
	}
	if got := need.Value(Installed(program))(t); need.Value(Digest(got))(t) != digest {
		t.Error("the version that was there is another one now")
	}
	if left := need.Value(os.ReadDir(filepath.Join(plugins, "packages", "greet")))(t); len(left) != 2 {
		t.Errorf("left: %v", left)
	}

	need.Done(t, os.Remove(program))
	need.Done(t, os.WriteFile(program, nil, 0o755))
	if _, err := Install(p, "greet", need.Value(Digest(path))(t), plugins); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("in the place of a program that somebody has put there: %v", err)
	}
	if _, err := Installed(program); err == nil {
		t.Error("a program that was put there by hand counts as installed")
	}
}
