package layering

import (
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// public are the packages that third parties import: nothing of ours has to
// call what they export.
var public = []string{"sdk", "sdk/schema", "sdk/failure", "sdk/store", "sdk/conformance"}

// TestNothingLandsThatNothingCalls: every function, method, type, constant and
// variable of the product is used by the product or by its documentation. Tests
// do not count.
func TestNothingLandsThatNothingCalls(t *testing.T) {
	t.Parallel()
	pkgs, err := packages.Load(&packages.Config{Dir: "../..", Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports |
		packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedExportFile},
		"./cmd/...", "./plan/...", "./runner/...", "./plugins/...", "./sdk/...", "./examples/...", "./docs/gen")
	if err != nil {
		t.Fatal(err)
	}
	used, called := map[string]bool{}, methodsOfInterfaces(pkgs)
	for _, p := range pkgs {
		for _, o := range p.TypesInfo.Uses {
			used[nameOf(o)] = true
		}
	}
	if len(used) < 3000 {
		t.Fatalf("only %d uses found: the packages were not read", len(used))
	}
	for _, p := range pkgs {
		rel := strings.TrimPrefix(p.PkgPath, module)
		if strings.HasPrefix(rel, "sdk/proto/") {
			continue // generated
		}
		for id, o := range p.TypesInfo.Defs {
			switch {
			case o == nil || used[nameOf(o)] || id.Name == "_" || id.Name == "main" || id.Name == "init":
			case slices.Contains(public, rel) && o.Exported():
			case o.Parent() != nil && o.Parent() != p.Types.Scope(): // local
			default:
				if f, ok := o.(*types.Func); ok && f.Signature().Recv() != nil && called[f.Name()] {
					continue
				}
				if c, ok := o.(*types.Const); ok && named(c.Type()) {
					continue // one of the values of a type
				}
				if v, ok := o.(*types.Var); ok && v.Parent() == nil {
					continue // a field: literals write it, encoders read it
				}
				t.Errorf("%s: nothing but tests uses %s", p.Fset.Position(o.Pos()), o.Name())
			}
		}
	}
}

// methodsOfInterfaces are the names of the methods that are called through an
// interface: of ours, of what we import, and those that the standard library
// looks for without naming an interface.
func methodsOfInterfaces(pkgs []*packages.Package) map[string]bool {
	out := map[string]bool{"Is": true, "As": true, "Unwrap": true}
	seen := map[*types.Package]bool{}
	var walk func(p *types.Package)
	walk = func(p *types.Package) {
		if seen[p] {
			return
		}
		seen[p] = true
		for _, name := range p.Scope().Names() {
			if i, ok := p.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok {
				for m := range i.Methods() {
					out[m.Name()] = true
				}
			}
		}
		for _, i := range p.Imports() {
			walk(i)
		}
	}
	for _, p := range pkgs {
		walk(p.Types)
	}
	return out
}

// nameOf names a declaration alike in the package that declares it and in
// those that import it.
func nameOf(o types.Object) string {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin().FullName()
	case *types.Var, *types.Const, *types.TypeName:
		if o.Pkg() != nil && o.Parent() == o.Pkg().Scope() {
			return o.Pkg().Path() + "." + o.Name()
		}
	}
	return ""
}

func named(t types.Type) bool {
	_, ok := t.(*types.Named)
	return ok
}
