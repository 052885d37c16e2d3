package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/mod/semver"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
)

// RequiredPlugin is an installed plugin that a plan requires in required_plugins.
type RequiredPlugin struct {
	Name    string // of the plugin
	Source  string // HOST/NAMESPACE/NAME: where mirrors keep it
	Version string // the constraints as written; empty: any version
	Range   Range

	allowed []constraint
}

// Allows reports whether the plan accepts a version, such as "1.2.0". It
// accepts a pre-release only if it names that pre-release.
func (r RequiredPlugin) Allows(version string) bool {
	v := "v" + version
	if !semver.IsValid(v) || strings.Count(version, ".") < 2 {
		return false
	}
	if semver.Prerelease(v) != "" {
		return slices.ContainsFunc(r.allowed, func(c constraint) bool { return c.op == "=" && c.version == semver.Canonical(v) })
	}
	return allows(r.allowed, version)
}

// RequiredPlugins returns the plugins that the plan requires, by name.
func (f *File) RequiredPlugins() []RequiredPlugin { return slices.Clone(f.plugins) }

// requiredPlugins reads the required_plugins blocks. They hold plain texts,
// because they are needed before anything can be evaluated.
func (s *sink) requiredPlugins(blocks []*hclsyntax.Block) (list []RequiredPlugin) {
	for _, b := range blocks {
		n := nested(b.Body, "required_plugins")
		if n == nil {
			continue
		}
		for _, attr := range n.Body.Attributes {
			r, wrong := requiredPlugin(attr)
			if wrong != "" {
				s.add(diag.InvalidRequiredPlugin, attr.Range(), "%s", wrong)
				continue
			}
			if i := slices.IndexFunc(list, func(o RequiredPlugin) bool { return o.Name == r.Name }); i >= 0 {
				s.add(diag.InvalidRequiredPlugin, attr.NameRange, "The plugin %q is required twice. Keep one of them.", r.Name)
				continue
			}
			list = append(list, r)
		}
		for _, more := range n.Body.Blocks {
			s.add(diag.InvalidRequiredPlugin, more.TypeRange, "A plugin is required with an equals sign: %s = { source = \"…\" }.", more.Type)
		}
	}
	slices.SortFunc(list, func(a, b RequiredPlugin) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// requiredPlugin reads one requirement; wrong says what cannot be understood.
func requiredPlugin(attr *hclsyntax.Attribute) (r RequiredPlugin, wrong string) {
	const form = "Write it like s3 = { source = \"plugins.example.com/backup/s3\", version = \"~> 1.0\" }."
	r = RequiredPlugin{Name: attr.Name, Range: *rangeOf(hcl.RangeBetween(attr.NameRange, attr.Expr.Range()))}
	v, ds := attr.Expr.Value(nil)
	if ds.HasErrors() || !v.IsWhollyKnown() || v.IsNull() || !v.Type().IsObjectType() {
		return r, "A required plugin is an object of plain texts. " + form
	}
	for name, part := range v.AsValueMap() {
		if part.IsNull() || part.Type() != cty.String {
			return r, "\"" + name + "\" is not a plain text. " + form
		}
		switch name {
		case "source":
			r.Source = part.AsString()
		case "version":
			r.Version = part.AsString()
		default:
			return r, "\"" + name + "\" is not an argument of a required plugin. " + form
		}
	}
	if !schema.IsName(r.Name) {
		return r, "The name of a plugin consists of lower case letters, digits and underscores."
	}
	if wrong := CheckPluginSource(r.Source, r.Name); wrong != "" {
		return r, wrong + " " + form
	}
	if r.Version != "" {
		var err error
		if r.allowed, err = parseConstraints(r.Version); err != nil {
			return r, "Its version cannot be understood: " + err.Error() + ". " + form
		}
	}
	return r, ""
}

// CheckPluginSource says what is wrong with the source of a plugin; empty:
// nothing. Parts of the source become names of directories.
func CheckPluginSource(source, name string) string {
	parts := strings.Split(source, "/")
	if len(parts) != 3 || parts[2] != name {
		return "Its source is HOST/NAMESPACE/NAME, where NAME is the plugin's name, " + name + "."
	}
	for _, part := range parts {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.HasPrefix(part, ".") {
			return "The parts of its source consist of lower case letters, digits, dots, hyphens and underscores."
		}
	}
	return ""
}
