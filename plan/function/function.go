// Package function defines the functions that plan files can call.
package function

import (
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/dprun/dprun/plan/secret"
)

// Table returns all functions by name. Files are read through f, secrets
// through s; nil: secrets cannot be read.
func Table(f Files, s *secret.Store) map[string]function.Function {
	t := pure()
	t["file"] = fileFunc(f)
	t["fileexists"] = fileExistsFunc(f)
	t["inventory"] = inventoryFunc(f)
	t["secret_env"] = secretFunc(f, s, secret.KindEnv, "name")
	t["secret_file"] = secretFunc(f, s, secret.KindFile, "path")
	t["secret_command"] = secretCommandFunc(f, s)
	// A template may call every function except templatefile.
	inner := make(map[string]function.Function, len(t))
	for name, fn := range t {
		inner[name] = fn
	}
	t["templatefile"] = templateFileFunc(f, inner)
	return t
}

// pure returns the functions that need only their arguments.
func pure() map[string]function.Function {
	return map[string]function.Function{
		"abs":             stdlib.AbsoluteFunc,
		"can":             tryfunc.CanFunc,
		"ceil":            stdlib.CeilFunc,
		"chomp":           stdlib.ChompFunc,
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        stdlib.CoalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"csvdecode":       withoutMark(stdlib.CSVDecodeFunc),
		"distinct":        stdlib.DistinctFunc,
		"element":         stdlib.ElementFunc,
		"flatten":         stdlib.FlattenFunc,
		"floor":           stdlib.FloorFunc,
		"format":          stdlib.FormatFunc,
		"formatdate":      stdlib.FormatDateFunc,
		"formatlist":      stdlib.FormatListFunc,
		"indent":          stdlib.IndentFunc,
		"index":           stdlib.IndexFunc,
		"join":            stdlib.JoinFunc,
		"jsondecode":      withoutMark(stdlib.JSONDecodeFunc),
		"jsonencode":      stdlib.JSONEncodeFunc,
		"keys":            stdlib.KeysFunc,
		"length":          stdlib.LengthFunc,
		"log":             stdlib.LogFunc,
		"lookup":          stdlib.LookupFunc,
		"lower":           stdlib.LowerFunc,
		"max":             stdlib.MaxFunc,
		"merge":           stdlib.MergeFunc,
		"min":             stdlib.MinFunc,
		"parseint":        stdlib.ParseIntFunc,
		"pow":             stdlib.PowFunc,
		"range":           stdlib.RangeFunc,
		"regex":           stdlib.RegexFunc,
		"regexall":        stdlib.RegexAllFunc,
		"regex_replace":   stdlib.RegexReplaceFunc,
		"replace":         stdlib.ReplaceFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"signum":          stdlib.SignumFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"split":           stdlib.SplitFunc,
		"strrev":          stdlib.ReverseFunc,
		"substr":          stdlib.SubstrFunc,
		"timeadd":         stdlib.TimeAddFunc,
		"title":           stdlib.TitleFunc,
		"tobool":          stdlib.MakeToFunc(cty.Bool),
		"tolist":          stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":           stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":        stdlib.MakeToFunc(cty.Number),
		"toset":           stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":        stdlib.MakeToFunc(cty.String),
		"trim":            stdlib.TrimFunc,
		"trimprefix":      stdlib.TrimPrefixFunc,
		"trimspace":       stdlib.TrimSpaceFunc,
		"trimsuffix":      stdlib.TrimSuffixFunc,
		"try":             tryfunc.TryFunc,
		"upper":           stdlib.UpperFunc,
		"values":          stdlib.ValuesFunc,
		"yamldecode":      withoutMark(yaml.YAMLDecodeFunc),
		"yamlencode":      yaml.YAMLEncodeFunc,
		"zipmap":          stdlib.ZipmapFunc,
	}
}

// withoutMark makes a function ignore the byte order mark with which some
// editors begin a text.
func withoutMark(fn function.Function) function.Function {
	skip := func(args []cty.Value) []cty.Value {
		if v := args[0]; v.IsKnown() && !v.IsNull() {
			args = []cty.Value{cty.StringVal(strings.TrimPrefix(v.AsString(), "\ufeff"))}
		}
		return args
	}
	return function.New(&function.Spec{
		Description: fn.Description(),
		Params:      fn.Params(),
		Type:        func(args []cty.Value) (cty.Type, error) { return fn.ReturnTypeForValues(skip(args)) },
		Impl:        func(args []cty.Value, _ cty.Type) (cty.Value, error) { return fn.Call(skip(args)) },
	})
}
