package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"golang.org/x/mod/semver"

	"github.com/dprun/dprun/plan/diag"
)

// LockFile is the name of the file beside a plan that pins its plugins.
const LockFile = ".dprun.lock.hcl"

// Lock is the content of a lock file. It pins the plugins that a plan may use to
// the byte.
type Lock struct {
	Plugins []LockedPlugin `hcl:"plugin,block"`
}

// LockedPlugin is one plugin of a lock file.
type LockedPlugin struct {
	Name        string `hcl:"name,label"`
	Source      string `hcl:"source"`
	Version     string `hcl:"version"`
	Constraints string `hcl:"constraints,optional"` // the plan's when it was locked
	// Digests cover all files of the package, one digest for each platform
	// ("linux_amd64"), in the form that Go modules use ("h1:…").
	Digests map[string]string `hcl:"digests"`
}

// Plugin returns the entry of a plugin; nil: it is not locked.
func (l *Lock) Plugin(name string) *LockedPlugin {
	if l == nil {
		return nil
	}
	for i := range l.Plugins {
		if l.Plugins[i].Name == name {
			return &l.Plugins[i]
		}
	}
	return nil
}

// ReadLock reads the lock file of a plan's directory; nil: there is none. at is
// the path of the directory as diagnostics show it.
func ReadLock(dir fs.FS, at string) (*Lock, Diagnostics) {
	s := &sink{env: newEnvironment(at)}
	wrong := func(r hcl.Range, what string) (*Lock, Diagnostics) {
		s.add(diag.InvalidLock, r, "%s: `dprun init` writes it. Restore the one from your repository, or remove it and run dprun init.", what)
		return nil, s.done()
	}
	text, err := fs.ReadFile(dir, LockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return wrong(start(LockFile), "The lock file cannot be read ("+err.Error()+")")
	}
	s.env.remember(LockFile, text)
	parsed, ds := hclsyntax.ParseConfig(text, LockFile, hcl.InitialPos)
	l := &Lock{}
	if !ds.HasErrors() {
		ds = gohcl.DecodeBody(parsed.Body, nil, l)
	}
	if ds.HasErrors() {
		at := start(LockFile)
		if ds[0].Subject != nil {
			at = *ds[0].Subject
		}
		return wrong(at, "The lock file cannot be understood ("+ds[0].Summary+")")
	}
	for i, p := range l.Plugins {
		if why := CheckPluginSource(p.Source, p.Name); why != "" {
			return wrong(start(LockFile), "The lock file's plugin "+p.Name+" has the source "+p.Source+". "+strings.TrimSuffix(why, "."))
		}
		if slices.ContainsFunc(l.Plugins[:i], func(o LockedPlugin) bool { return o.Name == p.Name }) {
			return wrong(start(LockFile), "The lock file names the plugin "+p.Name+" twice")
		}
	}
	return l, nil
}

// Text returns the lock as the text of a file.
func (l *Lock) Text() []byte {
	f := hclwrite.NewEmptyFile()
	for _, c := range []string{"# Written by dprun init. Keep it in version control beside the plan:", "# dprun starts no plugin that differs from it."} {
		f.Body().AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte(c + "\n")}})
	}
	for _, p := range l.Plugins {
		f.Body().AppendNewline()
		f.Body().AppendBlock(gohcl.EncodeAsBlock(&p, "plugin"))
	}
	return hclwrite.Format(f.Bytes())
}

// CheckLock reports the plugins that the plan requires and that are not locked
// as it requires them. Without a lock file no plugin is locked.
func (f *File) CheckLock(l *Lock) Diagnostics {
	s := &sink{env: f.env}
	for _, r := range f.plugins {
		at := hcl.Range{Filename: r.Range.Filename, Start: hcl.Pos(r.Range.Start), End: hcl.Pos(r.Range.End)}
		switch p := l.Plugin(r.Name); {
		case l == nil:
			s.add(diag.PluginNotLocked, at, "The plan requires the plugin %s, but there is no lock file %s beside it. Run: dprun init", r.Name, LockFile)
		case p == nil:
			s.add(diag.PluginNotLocked, at, "The plan requires the plugin %s, but the lock file does not name it. Run: dprun init", r.Name)
		case p.Source != r.Source:
			s.add(diag.PluginNotLocked, at, "The lock file has the plugin %s from %s, but the plan requires it from %s. Run: dprun init --upgrade", r.Name, p.Source, r.Source)
		case !r.Allows(p.Version):
			s.add(diag.PluginNotLocked, at, "The lock file has version %s of the plugin %s, but the plan requires %s. Run: dprun init --upgrade", p.Version, r.Name, r.Version)
		}
	}
	return s.done()
}

// constraint is one part of required_version.
type constraint struct {
	op      string
	version string // canonical, with a leading v
	parts   int    // how many parts were written: ~> 1.2 differs from ~> 1.2.0
}

func parseConstraints(text string) ([]constraint, error) {
	var cs []constraint
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		op := strings.TrimRight(part[:len(part)-len(strings.TrimLeft(part, "=!<>~"))], " ")
		v := "v" + strings.TrimPrefix(strings.TrimSpace(part[len(op):]), "v")
		switch op {
		case "":
			op = "="
		case "=", "!=", ">", ">=", "<", "<=", "~>":
		default:
			return nil, fmt.Errorf("%q is not an operator", op)
		}
		if !semver.IsValid(v) {
			return nil, fmt.Errorf("%q is not a version", strings.TrimPrefix(v, "v"))
		}
		cs = append(cs, constraint{op, semver.Canonical(v), strings.Count(strings.SplitN(v, "-", 2)[0], ".") + 1})
	}
	return cs, nil
}

// allows reports whether every constraint allows a version. A pre-release
// counts as the release that it precedes: a build made on the way to 0.2.0 can
// do what 0.2.0 can.
func allows(cs []constraint, version string) bool {
	v := "v" + strings.TrimPrefix(version, "v")
	if !semver.IsValid(v) {
		return true // a development build, whose version is not known
	}
	v = semver.Canonical(v)
	v = strings.TrimSuffix(v, semver.Prerelease(v))
	for _, c := range cs {
		d := semver.Compare(v, c.version)
		ok := false
		switch c.op {
		case "=":
			ok = d == 0
		case "!=":
			ok = d != 0
		case ">":
			ok = d > 0
		case ">=":
			ok = d >= 0
		case "<":
			ok = d < 0
		case "<=":
			ok = d <= 0
		case "~>":
			ok = d >= 0 && semver.Major(v) == semver.Major(c.version)
			if c.parts >= 3 {
				ok = ok && semver.MajorMinor(v) == semver.MajorMinor(c.version)
			}
		}
		if !ok {
			return false
		}
	}
	return true
}
