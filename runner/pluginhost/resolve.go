package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Ref names a type that a plan uses.
type Ref struct {
	Kind schema.Kind // source, destination or hook
	Type string
}

// UnknownTypeError says that no plugin offers a type.
type UnknownTypeError struct {
	Ref
	Known      []string // the existing types of that kind
	Suggestion string   // the type that was probably meant, or empty
}

// Error names the known types.
func (e *UnknownTypeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no plugin offers the %s type %q", e.Kind, e.Type)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %q?", e.Suggestion)
	}
	if len(e.Known) > 0 {
		fmt.Fprintf(&b, " There are: %s.", strings.Join(e.Known, ", "))
	}
	return b.String()
}

// Schemas describes every plugin that the types need. It describes each plugin once, in
// the order of the first type that needs it. The error joins a *UnknownTypeError or
// *failure.Error for each description that could not be had; the other descriptions are
// returned all the same.
func (h *Host) Schemas(ctx context.Context, refs ...Ref) ([]schema.Plugin, error) {
	var out []schema.Plugin
	var errs []error
	seen := map[string]bool{}
	for _, r := range refs {
		p, err := h.offering(ctx, r)
		if unknown := new(UnknownTypeError); errors.As(err, &unknown) {
			err = h.explained(ctx, unknown)
		} else if err == nil && h.refused(p.name) != nil {
			err = h.refused(p.name) // two plugins have this name, so nobody knows which one the plan means
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if seen[p.name] {
			continue
		}
		seen[p.name] = true
		s, err := p.describe(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, s)
	}
	return out, errors.Join(errs...)
}

func (h *Host) plugin(name string) (*plugin, error) {
	p, ok := h.plugins[name]
	if !ok {
		if why := h.refused(name); why != nil {
			return nil, why
		}
		return nil, failure.New(failure.NotFound, "", "there is no plugin %q; there are %s", name, strings.Join(h.Names(), ", ")).
			WithRemedy("install it, or correct the name")
	}
	return p, nil
}

// offering returns the plugin that offers a type. A type is the plugin's name, or
// begins with the name and an underscore. So the name alone says which plugin to ask,
// and no other plugin is started.
func (h *Host) offering(ctx context.Context, r Ref) (*plugin, error) {
	kind := r.Kind
	if kind == schema.KindActivity {
		kind = schema.KindSource
	}
	name := r.Type
	for {
		if p, ok := h.plugins[name]; ok {
			s, err := p.describe(ctx)
			if err != nil {
				return nil, err
			}
			if slices.Contains(s.Types(kind), r.Type) {
				return p, nil
			}
		} else if why := h.refused(name); why != nil {
			return nil, why
		}
		i := strings.LastIndexByte(name, '_')
		if i < 0 {
			return nil, &UnknownTypeError{Ref: Ref{kind, r.Type}}
		}
		name = name[:i]
	}
}

// explained adds to the error about an unknown type what exists instead. If the
// directory of plugins cannot be used, that is the cause.
func (h *Host) explained(ctx context.Context, e *UnknownTypeError) error {
	if why := h.refused(""); why != nil {
		return why
	}
	for _, name := range h.Names() {
		if s, err := h.plugins[name].describe(ctx); err == nil {
			e.Known = append(e.Known, s.Types(e.Kind)...)
		}
	}
	slices.Sort(e.Known)
	best := 3 // with more edits it is another word
	for _, k := range e.Known {
		if d := levenshtein.Distance(e.Type, k, nil); d < best {
			best, e.Suggestion = d, k
		}
	}
	return e
}
