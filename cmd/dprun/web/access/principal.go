// Package access decides who a caller of the server is, and what the caller may do.
package access

import (
	"context"
	"slices"

	"github.com/dprun/dprun/plan/pattern"
)

// Role is a level of rights. Each role includes those before it.
type Role string

// The roles, from the least rights to the most.
const (
	Viewer   Role = "viewer"   // reads
	Operator Role = "operator" // starts, cancels, recovers, acknowledges, holds
	Admin    Role = "admin"    // restores, overrides, fetches
)

// Roles returns all roles, the one with the least rights first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// Principal is an authenticated caller.
type Principal struct {
	Name string // for people: "anna@bank.example", "token night"
	Key  string // stable and unique: issuer and subject, or the name of a token
	Role Role
	// Plans are globs for names of plans; none: all plans are visible.
	Plans []string
	// Labels are globs for values by label. A visible device must match all of them;
	// none: all devices are visible.
	Labels  map[string]string
	Session string // the name of the session; empty: the caller sent a token
}

// May reports whether the principal has a role, or one that includes it. An unknown
// role has no rights, and nobody has an unknown role.
func (p Principal) May(role Role) bool {
	has, needs := slices.Index(Roles(), p.Role), slices.Index(Roles(), role)
	return needs >= 0 && has >= needs
}

// MaySeePlan reports whether the principal may know of a plan. Things without a plan,
// whose name is empty, are visible only to principals who see all plans.
func (p Principal) MaySeePlan(plan string) bool {
	return len(p.Plans) == 0 || plan != "" && slices.ContainsFunc(p.Plans, func(glob string) bool { return pattern.Glob(glob, plan) })
}

// MaySee reports whether the principal may know of a device with these labels in a
// plan. If access is limited by a label, devices without that label and devices with
// unknown labels are hidden.
func (p Principal) MaySee(plan string, labels map[string]string) bool {
	for label, glob := range p.Labels {
		if value, has := labels[label]; !has || !pattern.Glob(glob, value) {
			return false
		}
	}
	return p.MaySeePlan(plan)
}

type key struct{}

// With returns a context for work on behalf of a principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// From returns the principal of a context. False means that the caller is unknown and
// has no rights.
func From(ctx context.Context) (Principal, bool) {
	p, is := ctx.Value(key{}).(Principal)
	return p, is
}
