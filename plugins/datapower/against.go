package datapower

import (
	"context"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// against reads what speaks against a quiesce of the target: what else the gateway does, the target's failover role and, for a device,
// the domains that API Connect manages.
func (s *source) against(ctx context.Context, domains *soma.Domains, t sdk.Target, limits throttle, out *sdk.CheckReport) error {
	c := newClasses(s.client)
	err := s.busy(ctx, c, limits, out)
	if err != nil {
		return err
	}
	names := namesOf(domains, t)
	if out.Role, out.RoleDetail, err = s.roleOf(ctx, c, names); err != nil || !t.Device() {
		return err
	}
	return s.apiConnectOf(ctx, c, names, out)
}

// apiConnectOf finds the domains that API Connect manages: they go down with the device.
func (s *source) apiConnectOf(ctx context.Context, c *classes, names []string, out *sdk.CheckReport) error {
	type answer struct {
		managed bool
		unknown string
	}
	answers, err := overDomains(ctx, names, func(ctx context.Context, domain string) (a answer, err error) {
		if a.managed, err = c.apiConnect(ctx, domain); err != nil {
			f := s.failed(err, "check: read whether API Connect manages domain %s", domain)
			if !answered(err) {
				return a, f
			}
			a.unknown = f.Error()
		}
		return a, nil
	}, func(answer) bool { return false })
	if err != nil {
		return err
	}
	var unknown []string
	for i, a := range answers {
		if a.managed {
			out.APIConnect = append(out.APIConnect, names[i])
		}
		if a.unknown != "" {
			unknown = append(unknown, a.unknown)
		}
	}
	out.APIConnectUnknown = summary(unknown)
	return nil
}
