package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestTheSameFilesGiveTheSameArchive(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 0)
	files := []file{{"docs/adr/1.md", 0o644, []byte("one")}, {"dprun", 0o755, []byte("program")}, {"docs/2.md", 0o644, nil}}
	first := need.Value(tarball("dprun_1", files, at))(t)
	slices.Reverse(files)
	if !bytes.Equal(first, need.Value(tarball("dprun_1", files, at))(t)) {
		t.Error("another order gives other bytes")
	}
	z := need.Value(gzip.NewReader(bytes.NewReader(first)))(t)
	var held []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		need.Done(t, err)
		data := need.Value(io.ReadAll(r))(t)
		held = append(held, fmt.Sprintf("%s %o %d %s %s/%s %t", h.Name, h.Mode, len(data), data, h.Uname, h.Gname, h.ModTime.Equal(at)))
	}
	want := []string{
		"dprun_1/ 755 0  root/root true", "dprun_1/docs/ 755 0  root/root true", "dprun_1/docs/2.md 644 0  root/root true",
		"dprun_1/docs/adr/ 755 0  root/root true", "dprun_1/docs/adr/1.md 644 3 one root/root true", "dprun_1/dprun 755 7 program root/root true",
	}
	if !slices.Equal(held, want) || !z.ModTime.IsZero() {
		t.Errorf("it holds\n%s\nnot\n%s", strings.Join(held, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsNoReleaseIsNeverTakenForANewerOne(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v0.1.0": "0.1.0", "v0.1.0-rc.1": "0.1.0-rc.1", "v0.1.0-3-gab12": "0.1.0+3.gab12", "v0.1.0-dirty": "0.1.0+dirty", "ab12cd-dirty": "0.0.0-0.ab12cd.dirty", "v1": "0.0.0-0.v1",
	} {
		if got := number(version); got != want {
			t.Errorf("%s is %s, not %s", version, got, want)
		}
	}
}

func TestTheListOfModulesDoesNotDependOnTheToolThatMadeIt(t *testing.T) {
	t.Parallel()
	made := func(sum string) []byte {
		return []byte(`{"bomFormat":"CycloneDX","metadata":{"tools":[{"name":"x","hashes":["` + sum + `"]}],"component":{"name":"dprun"}},"components":[{"name":"a<b"}]}`)
	}
	one := need.Value(withoutTools(made("1")))(t)
	if !bytes.Equal(one, need.Value(withoutTools(made("2")))(t)) {
		t.Errorf("it depends on the tool:\n%s", one)
	}
	var held map[string]any
	need.Done(t, json.Unmarshal(one, &held))
	want := map[string]any{"bomFormat": "CycloneDX", "metadata": map[string]any{"component": map[string]any{"name": "dprun"}}, "components": []any{map[string]any{"name": "a<b"}}}
	if d := cmp.Diff(want, held); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, err := withoutTools([]byte(`{}`)); err == nil {
		t.Error("a list without metadata is taken")
	}
}

func TestATagHasNotesOrIsNotReleased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(`# Changelog

## [Unreleased]

- a

## [1.2.0] - 2026-01-02

### Added

- b: see [B](docs/b.md#c-d) and [outside](https://example.net/x)

## [0.1.0] - 2026-01-01

- c

[Unreleased]: https://example.net
`), 0o600))
	const second = "### Added\n\n- b: see [B](https://github.com/dprun/dprun/blob/TAG/docs/b.md#c-d) and [outside](https://example.net/x)\n"
	for tag, want := range map[string]string{"v1.2.0": second, "v1.2.0-rc.1": second, "v0.1.0": "- c\n"} {
		got := string(need.Value(notes(dir, tag))(t))
		if want := "# dprun " + tag + "\n\n" + strings.ReplaceAll(want, "TAG", tag); got != want {
			t.Errorf("the notes of %s are\n%s\nnot\n%s", tag, got, want)
		}
	}
	for _, tag := range []string{"v1.2.1", "v2.0.0", "v11.2.0", "v1.20.0"} {
		if got, err := notes(dir, tag); err == nil || !strings.Contains(err.Error(), "## ["+tag[1:]+"]") {
			t.Errorf("%s has notes: %s, %v", tag, got, err)
		}
	}
	// The repository's own are as they have to be.
	if first := string(need.Value(notes("..", "v0.1.0"))(t)); !strings.Contains(first, "\n### Known limits\n") || strings.Contains(first, "](docs/") {
		t.Errorf("the notes of the first release are\n%s", first)
	}
}

// TestTheManualOfTheLanguageIsWhole: every row of the documentation's tables is
// in the page of section 5, and nothing in it is read as a request by mistake.
func TestTheManualOfTheLanguageIsWhole(t *testing.T) {
	t.Chdir("..") // the documentation is read from the repository's root
	page := string(need.Value(languagePage("v0.1.0", time.Unix(1700000000, 0)))(t).data)
	rows := 0
	for _, name := range []string{"plan-language", "plan-blocks", "retention", "drills", "notifications", "serve", "plugins", "functions"} {
		text := string(need.Value(os.ReadFile("docs/" + name + ".md"))(t))
		for _, table := range regexp.MustCompile("(?m)^\\| (?:Argument of|Function \\|).*\n\\|-.*\n((?:\\|.*\n)+)").FindAllStringSubmatch(text, -1) {
			rows += strings.Count(table[1], "\n")
		}
	}
	if got := strings.Count(page, "\n.TP\n"); got != rows || rows < 250 {
		t.Errorf("it has %d arguments and functions, not %d", got, rows)
	}
	if m := regexp.MustCompile(`(?m)^(\.(TH|SH|SS|TP|PP|BR|nf|fi)( .*)?|[^.'].*|)$`).ReplaceAllString(page, ""); strings.TrimSpace(m) != "" {
		t.Errorf("these lines are requests: %s", m)
	}
	for _, want := range []string{
		"\n.TH DPRUN.HCL 5 2023-11-14 \"dprun v0.1.0\" \"dprun\"\n", "\n.SS quiesce_guard\n", "\n.SS config.tls of device \"datapower\"\n",
		"\n.TP\n\\fBmax_devices\\fP (whole number, default \\fB1\\fP)\nDevices that are quiesced at once.", "\n.TP\n\\fBabs(num)\\fP\n",
	} {
		if !strings.Contains("\n"+page, want) {
			t.Errorf("it does not hold %q", want)
		}
	}
}

// TestAPackageHoldsWhatAServiceNeeds builds a package and asks Debian's own
// tools what is in it.
func TestAPackageHoldsWhatAServiceNeeds(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(".") // back afterwards
	need.Done(t, release([]string{"-packages", "deb", "-version", "v0.1.0", "-out", dir}))
	found := need.Value(filepath.Glob(filepath.Join(dir, "*.deb")))(t)
	if len(found) != 1 || !strings.HasPrefix(filepath.Base(found[0]), "dprun_0.1.0-1_") {
		t.Fatalf("built were %q", found)
	}
	held := string(need.Value(exec.Command("dpkg-deb", "-c", found[0]).Output())(t))
	for _, want := range []string{
		`drwxr-x--- root/dprun .* ./etc/dprun/`, `drwxr-x--- root/dprun .* ./etc/dprun/plans/`, `drwx------ dprun/dprun .* ./var/lib/dprun/`,
		`-rw-r----- root/dprun .* ./etc/dprun/serve.hcl`, `-rwxr-xr-x root/root .* ./usr/bin/dprun`, `-rw-r--r-- root/root .* ./usr/lib/systemd/system/dprun-serve.service`, `-rw-r--r-- .* ./usr/lib/systemd/system/dprun-recover.timer`,
		`-rw-r--r-- .* ./usr/share/man/man1/dprun.1.gz`, `-rw-r--r-- .* ./usr/share/man/man1/dprun-backups-list.1.gz`, `-rw-r--r-- .* ./usr/share/man/man5/dprun.hcl.5.gz`,
		`-rw-r--r-- .* ./usr/share/bash-completion/completions/dprun`, `-rw-r--r-- .* ./usr/share/zsh/vendor-completions/_dprun`, `-rw-r--r-- .* ./usr/share/fish/vendor_completions.d/dprun.fish`,
		`-rw-r--r-- .* ./usr/share/doc/dprun/copyright`, `-rw-r--r-- .* ./usr/share/doc/dprun/THIRD_PARTY_LICENSES`, `-rw-r--r-- .* ./usr/share/doc/dprun/docs/serve.md`, `-rwxr-xr-x .* ./usr/share/doc/dprun/examples/scripts/ticket`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(held) {
			t.Errorf("it does not hold %s", want)
		}
	}
	if t.Failed() {
		t.Log(held)
	}
	// Others write to nothing, and the directory of plans is empty: what lies in it is run.
	if m := regexp.MustCompile(`(?m)^.{8}w.*|.*/etc/dprun/plans/.+$`).FindString(held); m != "" {
		t.Errorf("it holds %s", m)
	}
	file := func(path string) string {
		return string(need.Value(exec.Command("sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -xO "./$2"`, "sh", found[0], path).Output())(t))
	}
	if unit := file("usr/lib/systemd/system/dprun-serve.service"); !strings.Contains(unit, "\nExecStart=/usr/bin/dprun serve --plans /etc/dprun/plans --config /etc/dprun/serve.hcl\n") || strings.Contains(unit, "/usr/local/") {
		t.Errorf("the unit starts another program:\n%s", unit)
	}
	texts := file("usr/share/doc/dprun/THIRD_PARTY_LICENSES")
	for _, module := range []string{"\nGo go1.", "\ngithub.com/hashicorp/hcl/v2 v", "\nmodernc.org/sqlite v", "Mozilla Public License"} {
		if !strings.Contains(texts, module) {
			t.Errorf("the licences do not hold %q", module)
		}
	}
}
