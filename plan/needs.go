package plan

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/secret"
)

// SecretsOf lists the secrets that a plan needs for the devices that uses
// selects, each once. It includes those of the other members of a group of
// which a member is quiesced, because dprun looks at the members first. It
// leaves out secrets that depend on what only a run knows, such as the domain.
func (c *Config) SecretsOf(p *Plan, uses func(*Device) bool) []SecretRef {
	refs := &secretRefs{seen: map[string]bool{}}
	note := refs.note
	lazy := func(l *lazyConfig, scope Scope) {
		if l.decoder != nil {
			v, _, _ := l.decode(&sink{env: l.env}, scope)
			note(v)
		}
	}
	for _, d := range p.Destinations {
		note(d.Config)
	}
	note(p.Signing)
	for _, sc := range []*Script{p.PreScript, postOf(p.PostScript)} {
		if sc != nil {
			lazy(&sc.config, Scope{Plan: p})
		}
	}
	done := map[*Device]bool{}
	for _, a := range p.Activities {
		configs := []*lazyConfig{&a.config}
		for _, sc := range []*Script{a.PreScript, a.BeforeQuiesce, a.AfterUnquiesce, postOf(a.PostScript)} {
			if sc != nil {
				configs = append(configs, &sc.config)
			}
		}
		alike := map[string]bool{} // devices whose config was looked at
		for _, d := range a.Devices {
			if !uses(d) {
				continue
			}
			for _, member := range c.lookedAt(a, d) {
				if !done[member] {
					done[member] = true
					note(member.Config)
				}
			}
			for i, l := range configs {
				key := string(rune(i)) + l.uses.key(d)
				if !alike[key] {
					alike[key] = true
					lazy(l, Scope{Plan: p, Activity: a, Device: d})
				}
			}
		}
	}
	return refs.list
}

// SecretsOfRestore lists the secrets for logging in to a device for a restore
// or a drill, and those of the other members of its group; see
// [Config.SecretsOf].
func (c *Config) SecretsOfRestore(device string) []SecretRef {
	refs := &secretRefs{seen: map[string]bool{}}
	for _, d := range c.Devices {
		if d.Name != device {
			continue
		}
		refs.note(d.Config) // also if no activity uses the device
		if d.Restore != cty.NilVal {
			refs.note(d.Restore)
		}
		for _, other := range c.Devices {
			if d.Group != "" && other.Group == d.Group {
				refs.note(other.Config)
			}
		}
	}
	return refs.list
}

// secretRefs collects references of secrets, each once.
type secretRefs struct {
	list []SecretRef
	seen map[string]bool
}

func (r *secretRefs) note(v cty.Value) {
	_, found := secret.Reveal(v)
	for _, at := range found {
		key := string(at.Ref.Kind) + "\x00" + strings.Join(at.Ref.Args, "\x00")
		if at.Ref.Readable() && !r.seen[key] {
			r.seen[key] = true
			r.list = append(r.list, at.Ref)
		}
	}
}

// lookedAt returns the devices that an activity must reach for a device: the
// device itself and, if it is quiesced, its group.
func (c *Config) lookedAt(a *Activity, d *Device) []*Device {
	out := []*Device{d}
	if a.Quiesce == quiesceNone || d.Group == "" {
		return out
	}
	for _, other := range c.Devices {
		if other != d && other.Group == d.Group {
			out = append(out, other)
		}
	}
	return out
}

func postOf(p *PostScript) *Script {
	if p == nil {
		return nil
	}
	return p.Script
}
