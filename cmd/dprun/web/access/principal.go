// Package access says who asks the server, and what he may do.
package access

import (
	"context"
	"slices"

	"github.com/dprun/dprun/plan/pattern"
)

// Role is what somebody may do. Each includes the ones before it.
type Role string

// The roles, from the least.
const (
	Viewer   Role = "viewer"   // reads
	Operator Role = "operator" // starts, cancels, brings back, acknowledges, starts nothing new
	Admin    Role = "admin"    // restores, overrides, fetches
)

// Roles are all roles, the least first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// Principal is who asks.
type Principal struct {
	Name string // as people know him: "anna@bank.example", "token night"
	Key  string // stable and unique: issuer and subject, or the name of a token
	Role Role
	// Plans are globs of the names of plans; none: he sees all.
	Plans []string
	// Labels are globs of values by label, all of which a device must fit;
	// none: he sees all.
	Labels  map[string]string
	Session string // which session; empty: he came with a token
}

// May reports whether he has a role, or one that includes it. An unknown role
// may nothing, and nobody may what needs an unknown role.
func (p Principal) May(role Role) bool {
	has, needs := slices.Index(Roles(), p.Role), slices.Index(Roles(), role)
	return needs >= 0 && has >= needs
}

// MaySeePlan reports whether he may know of a plan. What belongs to no plan,
// whose name is empty, is seen by those alone who see all plans.
func (p Principal) MaySeePlan(plan string) bool {
	return len(p.Plans) == 0 || plan != "" && slices.ContainsFunc(p.Plans, func(glob string) bool { return pattern.Glob(glob, plan) })
}

// MaySee reports whether he may know of a device, by its labels, in a plan. A
// device that lacks a label he is limited to is not seen, and so is one whose
// labels are not known.
func (p Principal) MaySee(plan string, labels map[string]string) bool {
	for label, glob := range p.Labels {
		if value, has := labels[label]; !has || !pattern.Glob(glob, value) {
			return false
		}
	}
	return p.MaySeePlan(plan)
}

type key struct{}

// With gives what is done for a request the principal who asks.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// From is who asks; false: nobody said who he is, and he may nothing.
func From(ctx context.Context) (Principal, bool) {
	p, is := ctx.Value(key{}).(Principal)
	return p, is
}
