package function

import (
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan/secret"
)

// errNoSecrets is the error of reading a secret in a text that was sent.
var errNoSecrets = errors.New("a plan that was sent as text cannot read secrets; put a variable in the secret's place, or run dprun validate where the plan's file is")

// ErrSecretArgument is the error of a secret whose place is itself a secret.
var ErrSecretArgument = errors.New("the place of a secret must not be a secret itself, because it is stored and shown")

func secretFunc(f Files, s *secret.Store, kind secret.Kind, param string) function.Function {
	return function.New(&function.Spec{
		Description: "Reads a secret when the plan is applied.",
		Params:      []function.Parameter{{Name: param, Type: cty.String, AllowMarked: true}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if s == nil {
				return cty.NilVal, errNoSecrets
			}
			if args[0].IsMarked() {
				return cty.NilVal, ErrSecretArgument
			}
			if args[0].AsString() == "" {
				return cty.NilVal, function.NewArgErrorf(0, "the %s must not be empty", param)
			}
			arg := args[0].AsString()
			if kind == secret.KindFile {
				arg = f.absolute(arg)
			}
			return s.Value(secret.Ref{Kind: kind, Args: []string{arg}})
		},
	})
}

func secretCommandFunc(f Files, s *secret.Store) function.Function {
	return function.New(&function.Spec{
		Description: "Runs a command when the plan is applied; what it prints, without the last line end, is the secret.",
		Params:      []function.Parameter{{Name: "argv", Type: cty.List(cty.String), AllowMarked: true}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if s == nil {
				return cty.NilVal, errNoSecrets
			}
			if args[0].ContainsMarked() {
				return cty.NilVal, ErrSecretArgument
			}
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(cty.String), nil
			}
			ref := secret.Ref{Kind: secret.KindCommand}
			for _, a := range args[0].AsValueSlice() {
				if a.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "an element of the command is null")
				}
				ref.Args = append(ref.Args, a.AsString())
			}
			if len(ref.Args) == 0 || ref.Args[0] == "" {
				return cty.NilVal, function.NewArgErrorf(0, "the command must not be empty")
			}
			// A bare name is looked up in PATH; everything else is a path.
			if strings.ContainsRune(ref.Args[0], '/') {
				ref.Args[0] = f.absolute(ref.Args[0])
			}
			return s.Value(ref)
		},
	})
}
