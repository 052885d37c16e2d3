//go:build release

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// TestTheSameTagGivesTheSameBytes: one build on this machine, with what its cache
// holds, and one in a root that holds git, make and Go alone, without a network,
// which compiles everything anew. They differ in the user's umask, zone and
// language, and in every directory.
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
	does(clone, `git tag v9.8.6; printf '\n## [9.8.7] - 2026-01-01\n\n- new\n' >>CHANGELOG.md; git -c user.name=a -c user.email=a@example.net commit -qam notes; git tag v9.8.7; ssh-keygen -q -t ed25519 -N '' -f `+key)
	if out := does(clone, "make release TAG=v9.8.6 OUT="+t.TempDir()+" 2>&1 || true"); !strings.Contains(out, "v9.8.6 has no release notes") {
		t.Errorf("a tag without notes is released:\n%s", out)
	}
	does(clone, "echo broken >LICENSE") // what is not in the tag plays no part
	a := t.TempDir()
	start := time.Now()
	does(clone, "umask 022; make release TAG=v9.8.7 OUT="+a+" KEY="+key)
	t.Logf("the first build took %s", time.Since(start).Round(time.Second))

	root := newRoot(t, "git", "make", "openssh-client")
	const long = "/a/directory/with/a/name/that/is/longer"
	does(root, "mkdir -p go modules ."+long+" tmp/cache; cp -r "+clone+" ."+long+"; cp "+key+" key")
	for target, name := range map[string]string{"go": "GOROOT", "modules": "GOMODCACHE"} {
		target = filepath.Join(root, target)
		mount(t, strings.TrimSpace(does(clone, "go env "+name)), target, "", syscall.MS_BIND)
		need.Done(t, syscall.Mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	}
	clean := func(script string) string {
		t.Helper()
		return does(root, "exec env -i PATH=/go/bin:/usr/sbin:/usr/bin:/bin HOME=/root GOMODCACHE=/modules GOPROXY=file:///modules/cache/download GOSUMDB=off GOFLAGS="+os.Getenv("GOFLAGS")+
			" GOCACHE=/tmp/cache TMPDIR="+long+" TZ=Asia/Tokyo LC_ALL=C.UTF-8 unshare --net chroot . sh -ec '"+script+"'")
	}
	start = time.Now()
	clean("umask 077; cd " + long + "/clone; make release TAG=v9.8.7 OUT=/out KEY=/key")
	t.Logf("the second build took %s", time.Since(start).Round(time.Second))
	b := filepath.Join(root, "out")

	files := need.Value(os.ReadDir(a))(t)
	if len(files) != 4+4+4+3 {
		t.Errorf("there are %d files: %v", len(files), files)
	}
	if there := need.Value(os.ReadDir(b))(t); len(there) != len(files) {
		t.Errorf("the second build has %d files", len(there))
	}
	for _, f := range files {
		one, two := need.Value(os.ReadFile(filepath.Join(a, f.Name())))(t), need.Value(os.ReadFile(filepath.Join(b, f.Name())))(t)
		if !bytes.Equal(one, two) {
			t.Errorf("%s is not the same twice", f.Name())
		}
		t.Logf("%x %9d %s", sha256.Sum256(one), len(one), f.Name())
	}
	does(a, "sha256sum --quiet --strict -c SHA256SUMS; [ $(wc -l <SHA256SUMS) = 13 ]")
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
		if data := need.Value(os.ReadFile(program))(t); bytes.Contains(data, []byte(clone)) || bytes.Contains(data, []byte(long)) {
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
			if got := clean("/out/" + name + "/dprun version"); !strings.Contains(got, "v9.8.7") {
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
