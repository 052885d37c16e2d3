package plan

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/dprun/dprun/plan/diag"
)

// File is the syntax of all files of a plan, read together. Its structure is
// valid: [Parse] reports and drops unknown words.
type File struct {
	env    *environment
	blocks map[string][]*hclsyntax.Block // by type, in file order
	autos  []Source
	// broken names the files with syntax errors. Other diagnostics about them
	// may only follow from those.
	broken  map[string]bool
	plugins []RequiredPlugin
	// refused is set if the plan is for another version.
	refused bool
}

// TypeUse is one use of a plugin's type.
type TypeUse struct {
	Name  string `json:"name"`
	Range Range  `json:"range"`
}

// Required lists the plugin types that a plan uses, each once, by name.
type Required struct {
	Sources      []TypeUse `json:"sources"`
	Destinations []TypeUse `json:"destinations"`
	Hooks        []TypeUse `json:"hooks"`
}

// Parse reads the syntax of a plan's files. version is this program's version.
// A plan that asks for another version gets only that diagnostic, because
// anything else that looks wrong may be right for that version. The File is
// never nil.
func Parse(src Sources, version string) (*File, Diagnostics) {
	f := &File{env: newEnvironment(src.At), blocks: map[string][]*hclsyntax.Block{}, autos: src.AutoVars, broken: map[string]bool{}}
	s := &sink{env: f.env}
	var bodies []*hclsyntax.Body
	for _, file := range src.Files {
		f.env.remember(file.Name, file.Text)
		parsed, ds := hclsyntax.ParseConfig(file.Text, file.Name, hcl.InitialPos)
		if ds.HasErrors() && !mayBeHCL(file.Name) {
			s.add(diag.Syntax, start(file.Name), "This is not a plan file: a plan is HCL, in files that end in .hcl. Give such a file, or the directory that holds it. A plan reads a list of devices with the function `inventory`.")
		} else {
			s.hcl(ds, true)
		}
		f.broken[file.Name] = ds.HasErrors()
		if parsed == nil {
			continue
		}
		body := parsed.Body.(*hclsyntax.Body)
		f.env.bodies[file.Name] = body
		bodies = append(bodies, body)
	}
	if ds, ok := checkVersion(f.env, bodies, version); !ok {
		return &File{env: f.env, blocks: map[string][]*hclsyntax.Block{}, refused: true}, ds
	}
	top := topLevel()
	for _, body := range bodies {
		for name, attr := range body.Attributes {
			s.unknownName(diag.UnknownArgument, attr.NameRange, name, slices.Sorted(maps.Keys(top)),
				"A plan file holds only blocks, no arguments of its own. Put named values into a `locals` block.")
		}
		for _, b := range body.Blocks {
			spec, known := top[b.Type]
			if !known {
				names := slices.Sorted(maps.Keys(top))
				s.unknownName(diag.UnknownBlock, b.TypeRange, b.Type, names, "%q is not a block of a plan file. There are %s.", b.Type, listed(names))
				continue
			}
			s.checkBlock(b, &spec)
			if len(b.Labels) == len(spec.labels) {
				f.blocks[b.Type] = append(f.blocks[b.Type], b)
			}
		}
	}
	f.plugins = s.requiredPlugins(f.blocks["dprun"])
	return f, s.done()
}

// Format returns the text of a file in the usual form. It does not format a file
// with a syntax error; the diagnostics say what is wrong.
func Format(name string, text []byte) ([]byte, Diagnostics) {
	s := &sink{env: newEnvironment("")}
	s.env.remember(name, text)
	if _, ds := hclsyntax.ParseConfig(text, name, hcl.InitialPos); ds.HasErrors() {
		s.hcl(ds, true)
		return nil, s.done()
	}
	return hclwrite.Format(text), nil
}

// mayBeHCL reports whether a file may hold HCL, by its name.
func mayBeHCL(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv", ".json", ".yaml", ".yml", ".xml", ".zip":
		return false
	}
	return true
}

// start is the range at the beginning of a file.
func start(name string) hcl.Range {
	return hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// checkVersion checks required_version and nothing else.
func checkVersion(env *environment, bodies []*hclsyntax.Body, version string) (Diagnostics, bool) {
	s := &sink{env: env}
	ok := true
	for _, body := range bodies {
		for _, b := range body.Blocks {
			attr := b.Body.Attributes["required_version"]
			if b.Type != "dprun" || attr == nil {
				continue
			}
			v, ds := attr.Expr.Value(nil)
			if ds.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type().FriendlyName() != "string" {
				s.add(diag.InvalidVersion, attr.Expr.Range(), "required_version is a plain text, such as \">= 0.1.0\".")
				ok = false
				continue
			}
			cs, err := parseConstraints(v.AsString())
			if err != nil {
				s.add(diag.InvalidVersion, attr.Expr.Range(), "required_version cannot be understood: %v. Write it like \">= 0.1.0, < 1.0.0\".", err)
				ok = false
				continue
			}
			if !allows(cs, version) {
				s.add(diag.NewerVersion, attr.Expr.Range(), "The plan needs dprun %s, but this is %s. Install a version that fits, or change required_version.", v.AsString(), version)
				ok = false
			}
		}
	}
	return s.done(), ok
}

// RequiredTypes lists the plugin types that the plan uses, with the first place
// of each.
func (f *File) RequiredTypes() Required {
	uses := func(blockType string) []TypeUse {
		first := map[string]Range{}
		for _, b := range f.blocks[blockType] {
			if _, seen := first[b.Labels[0]]; !seen {
				first[b.Labels[0]] = *rangeOf(b.LabelRanges[0])
			}
		}
		list := make([]TypeUse, 0, len(first))
		for _, name := range slices.Sorted(maps.Keys(first)) {
			list = append(list, TypeUse{Name: name, Range: first[name]})
		}
		return list
	}
	return Required{Sources: uses("device"), Destinations: uses("destination"), Hooks: uses("script")}
}
