package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// archive is what users without packages get.
func (b *build) archive(p platform) error {
	program, err := os.ReadFile(b.path(p))
	if err != nil {
		return err
	}
	files := []file{{"dprun", 0o755, program}, {"THIRD_PARTY_LICENSES", 0o644, b.licences}}
	for shell, text := range b.completions {
		files = append(files, file{"completions/" + completionName(shell), 0o644, text})
	}
	for _, page := range b.pages {
		files = append(files, file{"man/" + page.name, page.mode, page.data})
	}
	found, err := b.documents()
	if err != nil {
		return err
	}
	files = append(files, found...)
	if p.os == "linux" {
		container, err := os.ReadFile(".release/Containerfile")
		if err != nil {
			return err
		}
		// The directory is there to have an owner in the image.
		files = append(files, file{"Containerfile", 0o644, container}, file{"state/.keep", 0o644, nil})
	}
	name := fmt.Sprintf("dprun_%s_%s", number(b.version), p)
	data, err := tarball(name, files, b.at)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, name+".tar.gz"), data, 0o644)
}

// documents are what there is to read. They lie as in the repository, so their
// links hold.
func (b *build) documents() (files []file, err error) {
	for _, glob := range []string{"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/adr/*", "docs/alerts/*", "docs/systemd/*",
		"examples/*.hcl", "examples/*.csv", "examples/certs/*", "examples/scripts/*", "examples/serve/*"} {
		found, err := read(glob)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// read reads files of the repository. What only its owner may read or write there
// depends on who cloned it, so of the mode it counts who may execute it.
func read(glob string) (files []file, err error) {
	names, err := filepath.Glob(glob)
	if err != nil || len(names) == 0 {
		return nil, errors.Join(fmt.Errorf("there is no file %s", glob), err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		files = append(files, file{filepath.ToSlash(name), mode, data})
	}
	return files, nil
}

func completionName(shell string) string {
	return map[string]string{"bash": "dprun", "zsh": "_dprun", "fish": "dprun.fish"}[shell]
}

// bill lists the modules that a program holds, for machines.
func (b *build) bill(p platform) error {
	at := filepath.Join(b.out, fmt.Sprintf("dprun_%s_%s.cdx.json", number(b.version), p))
	// For this machine: the tool reads the program, and does not run it.
	if _, err := run([]string{"GOFLAGS="}, "go", "run", cyclonedx, "bin", "-json", "-noserial", "-notimestamp", "-licenses", "-version", b.version, "-output", at, b.path(p)); err != nil {
		return err
	}
	text, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	if text, err = withoutTools(text); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return os.WriteFile(at, text, 0o644)
}

// withoutTools takes the tool that made a list of modules out of it: its sums
// depend on the directories in which it was compiled.
func withoutTools(bill []byte) ([]byte, error) {
	var all, metadata map[string]json.RawMessage
	if err := json.Unmarshal(bill, &all); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(all["metadata"], &metadata); err != nil {
		return nil, err
	}
	delete(metadata, "tools")
	var err error
	if all["metadata"], err = json.Marshal(metadata); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	return append(text, '\n'), err
}

// sums writes the digests of all files, in the form of sha256sum.
func (b *build) sums() error {
	entries, err := os.ReadDir(b.out)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(b.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(b.out, "SHA256SUMS"), []byte(text.String()), 0o644)
}

// number is a version without its v. What is no release gets one that is lower
// than any, or, after a release, one that is higher than that.
func number(version string) string {
	if m := released.FindStringSubmatch(version); m != nil {
		return m[1] + m[2]
	}
	plain := regexp.MustCompile(`[^0-9A-Za-z]+`)
	if m := regexp.MustCompile(`^v(\d+\.\d+\.\d+)-(.+)$`).FindStringSubmatch(version); m != nil {
		return m[1] + "+" + plain.ReplaceAllString(m[2], ".")
	}
	return "0.0.0-0." + plain.ReplaceAllString(version, ".")
}

// content is a file of a package, as nfpm takes it.
type content struct {
	Source   string `json:"src,omitempty"`
	Target   string `json:"dst"`
	Type     string `json:"type,omitempty"`
	Packager string `json:"packager,omitempty"` // empty: in every kind of package
	Info     info   `json:"file_info"`
}

type info struct {
	Owner string      `json:"owner"`
	Group string      `json:"group"`
	Mode  fs.FileMode `json:"mode"`
}

const maintainer = "dprun <dprun@dprun.invalid>"

// packages builds packages: deb, rpm.
func (b *build) packages(p platform, kinds ...string) error {
	stage := filepath.Join(b.stage, "package-"+p.arch)
	only := map[string]string{"/usr/share/zsh/vendor-completions/_dprun": "deb", "/usr/share/zsh/site-functions/_dprun": "rpm",
		"/usr/share/doc/dprun/changelog.Debian.gz": "deb", "/usr/share/lintian/overrides/dprun": "deb"}
	var contents []content
	add := func(target string, mode fs.FileMode, data []byte) error {
		at := filepath.Join(stage, strconv.Itoa(len(contents)))
		contents = append(contents, content{at, target, "", only[target], info{"root", "root", mode}})
		return os.WriteFile(at, data, 0o600)
	}
	dir := func(target, owner, group string, mode fs.FileMode) {
		contents = append(contents, content{"", target, "dir", "", info{owner, group, mode}})
	}
	// Who runs plans may read them, and not change them; nobody else may.
	dir("/etc/dprun", "root", "dprun", 0o750)
	dir("/etc/dprun/plans", "root", "dprun", 0o750)
	dir("/var/lib/dprun", "dprun", "dprun", 0o700)
	if err := os.Mkdir(stage, 0o700); err != nil {
		return err
	}
	contents = append(contents, content{filepath.Join(b.root, "examples/serve/serve.hcl"), "/etc/dprun/serve.hcl", "config|noreplace", "", info{"root", "dprun", 0o640}})
	program, err := os.ReadFile(b.path(p))
	if err != nil {
		return err
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	if changes, err = compressed(changes); err != nil {
		return err
	}
	debian, err := compressed(fmt.Appendf(nil, "dprun (%s-1) unstable; urgency=medium\n\n  * What is new stands in changelog.gz.\n\n -- %s  %s\n", number(b.version), maintainer, b.at.Format(time.RFC1123Z)))
	if err != nil {
		return err
	}
	overrides, err := read(".release/packages/lintian-overrides")
	if err != nil {
		return err
	}
	files := []file{
		{"/usr/bin/dprun", 0o755, program},
		{"/usr/share/bash-completion/completions/dprun", 0o644, b.completions["bash"]},
		{"/usr/share/zsh/vendor-completions/_dprun", 0o644, b.completions["zsh"]},
		{"/usr/share/zsh/site-functions/_dprun", 0o644, b.completions["zsh"]},
		{"/usr/share/fish/vendor_completions.d/dprun.fish", 0o644, b.completions["fish"]},
		{"/usr/share/doc/dprun/THIRD_PARTY_LICENSES", 0o644, b.licences},
		{"/usr/share/doc/dprun/changelog.gz", 0o644, changes},
		{"/usr/share/doc/dprun/changelog.Debian.gz", 0o644, debian},
		{"/usr/share/lintian/overrides/dprun", 0o644, overrides[0].data},
	}
	for _, page := range b.pages {
		z, err := compressed(page.data)
		if err != nil {
			return err
		}
		files = append(files, file{"/usr/share/man/man" + page.name[len(page.name)-1:] + "/" + page.name + ".gz", 0o644, z})
	}
	documents, err := b.documents()
	if err != nil {
		return err
	}
	copyright, err := read(".release/packages/copyright")
	if err != nil {
		return err
	}
	documents = append(documents, file{"copyright", 0o644, copyright[0].data})
	for _, f := range documents {
		files = append(files, file{"/usr/share/doc/dprun/" + f.name, f.mode, f.data})
	}
	units, err := read("docs/systemd/*")
	if err != nil {
		return err
	}
	for _, u := range units {
		files = append(files, file{"/usr/lib/systemd/system/" + filepath.Base(u.name), 0o644, []byte(strings.ReplaceAll(string(u.data), "/usr/local/bin/", "/usr/bin/"))})
	}
	for _, f := range files {
		if err := add(f.name, f.mode, f.data); err != nil {
			return err
		}
	}
	script := func(name string) string { return filepath.Join(b.root, ".release/packages", name) }
	config, err := json.Marshal(map[string]any{
		"name": "dprun", "arch": p.arch, "platform": p.os, "version": number(b.version), "release": "1", "section": "admin", "priority": "optional",
		"maintainer": maintainer, "homepage": "https://github.com/dprun/dprun", "license": "Apache-2.0", "vendor": "dprun",
		"description":      "Back up fleets of IBM DataPower gateways from plan files\nPlans are kept under version control. No gateway is left quiesced\nwithout somebody knowing, and no backup is called good that is not.",
		"recommends":       []string{"ca-certificates"},
		"contents":         contents,
		"scripts":          map[string]string{"preinstall": script("preinst"), "postinstall": script("postinst"), "preremove": script("prerm"), "postremove": script("postrm")},
		"deb":              map[string]any{"compression": "gzip", "predepends": []string{"passwd"}},
		"rpm":              map[string]any{"buildhost": "dprun", "compression": "gzip", "summary": "Back up fleets of IBM DataPower gateways from plan files"},
		"overrides":        map[string]any{"rpm": map[string]any{"depends": []string{"shadow-utils", "util-linux"}}},
		"disable_globbing": true,
	})
	if err != nil {
		return err
	}
	file := filepath.Join(stage, "nfpm.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	for _, kind := range kinds {
		if _, err := run([]string{"GOFLAGS=", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", b.at.Unix())}, "go", "run", nfpm, "package", "--config", file, "--packager", kind, "--target", b.out+"/"); err != nil {
			return err
		}
	}
	return nil
}
