//go:build release

package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// TestTheSameTagGivesTheSameBytes: two builds, by users with other umasks and
// directories.
func TestTheSameTagGivesTheSameBytes(t *testing.T) {
	clone, key := filepath.Join(t.TempDir(), "clone"), filepath.Join(t.TempDir(), "key")
	does := func(dir, script string, env ...string) string {
		t.Helper()
		c := exec.Command("sh", "-ec", script)
		c.Dir, c.Env = dir, append(os.Environ(), env...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	does("..", "git clone --quiet . "+clone)
	does(clone, "git tag v9.8.7; ssh-keygen -q -t ed25519 -N '' -f "+key)
	does(clone, "echo broken >LICENSE") // what is not in the tag plays no part
	a, b := t.TempDir(), t.TempDir()
	does(clone, "umask 022; make release TAG=v9.8.7 OUT="+a+" KEY="+key)
	does(clone, "umask 077; make release TAG=v9.8.7 OUT="+b+" KEY="+key, "TMPDIR="+t.TempDir(), "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")

	files := need.Value(os.ReadDir(a))(t)
	if len(files) != 4+4+4+2 {
		t.Errorf("there are %d files: %v", len(files), files)
	}
	for _, f := range files {
		one, two := need.Value(os.ReadFile(filepath.Join(a, f.Name())))(t), need.Value(os.ReadFile(filepath.Join(b, f.Name())))(t)
		if !bytes.Equal(one, two) {
			t.Errorf("%s is not the same twice", f.Name())
		}
	}
	does(a, "sha256sum --quiet --strict -c SHA256SUMS; [ $(wc -l <SHA256SUMS) = 12 ]")
	does(a, `printf 'release %s\n' "$(cat `+key+`.pub)" >allowed; ssh-keygen -Y verify -f allowed -I release -n file -s SHA256SUMS.sig <SHA256SUMS; rm allowed`)

	commit := strings.TrimSpace(does(clone, "git rev-parse HEAD"))
	for _, p := range platforms {
		name := "dprun_9.8.7_" + p.String()
		does(b, "tar -xf "+name+".tar.gz")
		program := filepath.Join(b, name, "dprun")
		built := need.Value(buildinfo.ReadFile(program))(t)
		settings := map[string]string{}
		for _, s := range built.Settings {
			settings[s.Key] = s.Value
		}
		if settings["GOOS"] != p.os || settings["GOARCH"] != p.arch || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" || settings["vcs.revision"] != commit || settings["vcs.modified"] != "false" {
			t.Errorf("%s was built with %v", p, settings)
		}
		if data := need.Value(os.ReadFile(program))(t); bytes.Contains(data, []byte(clone)) || bytes.Contains(data, []byte(os.TempDir()+"/dprun-release")) {
			t.Errorf("%s holds the directory that it was built in", p)
		}
		if p.os == "linux" {
			f := need.Value(elf.Open(program))(t)
			if libraries := need.Value(f.ImportedLibraries())(t); len(libraries) > 0 || f.Section(".interp") != nil {
				t.Errorf("%s needs %v", p, libraries)
			}
			_ = f.Close()
		}
		if p == here {
			if got := does(b, program+" version"); !strings.Contains(got, "v9.8.7") {
				t.Error(got)
			}
		}
		var bill struct {
			BOMFormat  string
			Components []struct{ Name, Version string }
		}
		need.Done(t, json.Unmarshal(need.Value(os.ReadFile(filepath.Join(b, name+".cdx.json")))(t), &bill))
		var modules int
		for _, c := range bill.Components {
			for _, m := range built.Deps {
				if c.Name == m.Path && c.Version == m.Version {
					modules++
				}
			}
		}
		if bill.BOMFormat != "CycloneDX" || modules != len(built.Deps) || modules < 10 {
			t.Errorf("%s: the list of modules is of the form %q and has %d of %d", p, bill.BOMFormat, modules, len(built.Deps))
		}
		for _, held := range []string{"LICENSE", "THIRD_PARTY_LICENSES", "README.md", "docs/serve.md", "man/dprun.1", "completions/_dprun", "docs/systemd/dprun-serve.service"} {
			if text, err := os.ReadFile(filepath.Join(b, name, held)); err != nil || strings.HasPrefix(string(text), "broken") {
				t.Errorf("%s: %s: %v", p, held, err)
			}
		}
	}
}
