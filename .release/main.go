// Command release builds what a release consists of: static programs for every
// platform in archives, packages for Debian and RPM, the licences of all
// libraries, a list of them for machines (SBOM), and sums. The same commit gives
// the same bytes. See docs/releasing.md.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The tools of others, at versions whose sums Go's checksum database knows.
const (
	nfpm      = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0" // newer ones need modules that are not on the proxy
	cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
)

// platform is what a program is built for.
type platform struct{ os, arch string }

func (p platform) env() []string {
	return []string{"CGO_ENABLED=0", "GOOS=" + p.os, "GOARCH=" + p.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS="}
}

func (p platform) String() string { return p.os + "_" + p.arch }

var (
	platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
	here      = platform{runtime.GOOS, runtime.GOARCH}
)

func main() {
	if err := release(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func release(args []string) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	tag := f.String("tag", "", "build this tag, from a clone of its own; empty: what stands here")
	version := f.String("version", "", "the version, where no -tag says it")
	out := f.String("out", "dist", "the directory for what is built; it must be empty or not there")
	packages := f.String("packages", "", "only packages for this processor: deb, rpm or deb,rpm")
	sign := f.String("sign", "", "sign the sums with this private key, by ssh-keygen -Y")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := filepath.Abs(*out)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
		return errors.Join(fmt.Errorf("%s is not empty: a release is made in a directory of its own", dir), err)
	}
	if *tag != "" {
		if err := buildTag(*tag, dir); err != nil {
			return err
		}
	} else {
		wanted := platforms
		if *packages != "" {
			wanted = []platform{here}
		}
		b, err := newBuild(*version, dir, wanted)
		if err != nil {
			return err
		}
		defer b.close()
		if *packages != "" {
			return b.packages(here, strings.Split(*packages, ",")...)
		}
		if err := b.everything(); err != nil {
			return err
		}
	}
	if *sign != "" {
		_, err = run(nil, "ssh-keygen", "-Y", "sign", "-f", *sign, "-n", "file", filepath.Join(dir, "SHA256SUMS"))
	}
	return err
}

// buildTag builds a tag by the release program of that tag, from a clone that
// holds nothing else.
func buildTag(tag, out string) error {
	if !released.MatchString(tag) {
		return fmt.Errorf("the tag %q is no version, such as v1.2.3 or v1.2.3-rc.1", tag)
	}
	root, err := run(nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dprun-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clone := filepath.Join(dir, "dprun")
	if _, err := run(nil, "git", "clone", "--quiet", "--depth", "1", "--branch", tag, "-c", "advice.detachedHead=false", "file://"+strings.TrimSpace(string(root)), clone); err != nil {
		return err
	}
	if _, err := notes(clone, tag); err != nil { // before anything is compiled
		return err
	}
	cmd := exec.Command("go", "run", "./.release", "-version", tag, "-out", out)
	cmd.Dir, cmd.Stdout, cmd.Stderr = clone, os.Stdout, os.Stderr
	return cmd.Run()
}

// released is the version of a tag, and its parts: the number, what follows it.
var released = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(-rc\.\d+)?$`)

// notes is the section of the changelog in dir about a release, with links that
// hold elsewhere. A candidate has the notes of the release that it is for.
func notes(dir, tag string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, "CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	version := released.FindStringSubmatch(tag)[1]
	section := regexp.MustCompile(`(?ms)^## \[` + regexp.QuoteMeta(version) + `\] - \d{4}-\d\d-\d\d\n+(.+?)\n*(?:^## \[|^\[[^\]\n]+\]: |\z)`).FindSubmatch(text)
	if section == nil {
		return nil, fmt.Errorf("the tag %s has no release notes: write a section \"## [%s] - YYYY-MM-DD\" into CHANGELOG.md, commit it, and set the tag anew", tag, version)
	}
	links := regexp.MustCompile(`\]\(([\w./-]+(?:#[\w-]+)?)\)`)
	section[1] = links.ReplaceAll(section[1], []byte("](https://github.com/dprun/dprun/blob/"+tag+"/$1)"))
	return fmt.Appendf(nil, "# dprun %s\n\n%s\n", tag, section[1]), nil
}

// build is one release being made.
type build struct {
	root, stage, out string
	version          string
	at               time.Time // of the commit: the time of every file
	pages            []file    // manual pages, by the name of their file
	completions      map[string][]byte
	licences         []byte
}

func newBuild(version, out string, wanted []platform) (*build, error) {
	top, err := run(nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	b := &build{root: strings.TrimSpace(string(top)), out: out, version: version}
	if err := os.Chdir(b.root); err != nil {
		return nil, err
	}
	if b.version == "" {
		described, err := run(nil, "git", "describe", "--tags", "--always", "--dirty")
		if err != nil {
			return nil, err
		}
		b.version = strings.TrimSpace(string(described))
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		committed, err := run(nil, "git", "log", "-1", "--format=%ct")
		if err != nil {
			return nil, err
		}
		epoch = strings.TrimSpace(string(committed))
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the time of the release: %w", err)
	}
	b.at = time.Unix(seconds, 0).UTC()
	if b.stage, err = os.MkdirTemp("", "dprun-stage-"); err != nil {
		return nil, err
	}
	if err := errors.Join(os.MkdirAll(out, 0o755), b.program(here), b.describe(wanted)); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *build) close() { _ = os.RemoveAll(b.stage) }

func (b *build) path(p platform) string { return filepath.Join(b.stage, p.String(), "dprun") }

// program compiles the program.
func (b *build) program(p platform) error {
	_, err := run(p.env(), "go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w -buildid= -X main.version="+b.version, "-o", b.path(p), "./cmd/dprun")
	return err
}

// describe has the program write its manual pages and completions, and collects
// the licences.
func (b *build) describe(wanted []platform) error {
	man := filepath.Join(b.stage, "man")
	if err := os.Mkdir(man, 0o755); err != nil {
		return err
	}
	self := b.path(here)
	if _, err := run(nil, self, "man", man); err != nil {
		return err
	}
	entries, err := os.ReadDir(man)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(man, e.Name()))
		if err != nil {
			return err
		}
		b.pages = append(b.pages, file{e.Name(), 0o644, text})
	}
	language, err := languagePage(b.version, b.at)
	if err != nil {
		return err
	}
	b.pages = append(b.pages, language)
	b.completions = map[string][]byte{}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if b.completions[shell], err = run(nil, self, "completion", shell); err != nil {
			return err
		}
	}
	b.licences, err = licences(wanted)
	return err
}

// everything makes all files of a release.
func (b *build) everything() error {
	if released.MatchString(b.version) {
		text, err := notes(b.root, b.version)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.out, "RELEASE_NOTES.md"), text, 0o644); err != nil {
			return err
		}
	}
	for _, p := range platforms {
		fmt.Println("building for", p)
		if p != here {
			if err := b.program(p); err != nil {
				return err
			}
		}
		if err := errors.Join(b.archive(p), b.bill(p)); err != nil {
			return err
		}
		if p.os == "linux" {
			if err := b.packages(p, "deb", "rpm"); err != nil {
				return err
			}
		}
	}
	return b.sums()
}

// run runs a program in the current directory and gives what it wrote.
func run(env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), says.Bytes())
	}
	return out.Bytes(), nil
}
