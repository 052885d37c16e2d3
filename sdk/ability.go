package sdk

import (
	"reflect"
	"slices"

	"github.com/dprun/dprun/sdk/schema"
)

// Instance is a configured [Source], [Destination] or [Hook].
// Close releases it.
type Instance interface{ Close() error }

// Far is an instance behind the protocol. It has every method; Offers tells
// which of them the plugin has described.
type Far interface {
	Offers(a schema.Ability) bool // whether the plugin has described it
}

// As returns i as an A, an interface of an optional ability, if i offers it.
// The abilities of a destination are [Sweeper], [Reader], [Lister], [Deleter],
// [Summer] and [LeftoverLister]; those of a source are [Healther],
// [Preflighter], [Rehearser] and [Restorer].
func As[A any](i Instance) (A, bool) {
	a, ok := i.(A)
	if far, behind := i.(Far); ok && behind {
		needs := abilities(reflect.TypeFor[A]())
		ok = len(needs) > 0 && !slices.ContainsFunc(needs, func(a schema.Ability) bool { return !far.Offers(a) })
	}
	return a, ok
}

// optional holds the interface of each ability. A type that implements an
// interface also has the abilities that the interface embeds.
var optional = map[schema.Ability]reflect.Type{
	schema.AbilitySweep:     reflect.TypeFor[Sweeper](),
	schema.AbilityRead:      reflect.TypeFor[Reader](),
	schema.AbilityList:      reflect.TypeFor[Lister](),
	schema.AbilityDelete:    reflect.TypeFor[Deleter](),
	schema.AbilitySum:       reflect.TypeFor[Summer](),
	schema.AbilityLeftovers: reflect.TypeFor[LeftoverLister](),
	schema.AbilityHealth:    reflect.TypeFor[Healther](),

	schema.AbilityPreflight: reflect.TypeFor[Preflighter](),
	schema.AbilityRehearse:  reflect.TypeFor[Rehearser](),
	schema.AbilityRestore:   reflect.TypeFor[Restorer](),
}

// abilities lists what a type can do.
func abilities(t reflect.Type) (out []schema.Ability) {
	for ability, i := range optional {
		if t.Implements(i) {
			out = append(out, ability)
		}
	}
	slices.Sort(out)
	return out
}
