package plan

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
)

// maxComponent, in bytes, is the longest name that every common file system
// allows.
const maxComponent = 255

// These stand in a path for names that are not known yet.
const (
	pendingDomain = "<domain>"
	pendingStamp  = "<stamp>"
	pendingRun    = "<run>"
)

// EscapeComponent makes a name usable as one component of a path. Bytes that
// would separate, hide, reverse or break the path are written as % and two
// hexadecimal digits. So is %, so that different names stay different.
func EscapeComponent(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		c, n := utf8.DecodeRuneInString(name[i:])
		if broken := c == utf8.RuneError && n == 1; broken || schema.Steers(c) || c == '/' || c == '\\' || c == '%' || i == 0 && c == '.' {
			for _, raw := range []byte(name[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", raw)
			}
		} else {
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}

// pathVariables returns the names of a scope as components of a path.
func (s Scope) pathVariables(want roots) map[string]cty.Value {
	vars := s.names(want, EscapeComponent, func(text, placeholder string) cty.Value {
		if text == "" {
			return cty.StringVal(placeholder)
		}
		return cty.StringVal(EscapeComponent(text))
	})
	delete(vars, "status")
	delete(vars, "artifact")
	return vars
}

// PathFor returns the directory of a task's set at the destination, relative to
// the destination's own directory, with slashes. Names in it are escaped. A
// stamp, domain or run that is not known yet is written as <stamp>, <domain> or
// <run>. Without a `path` the layout is the reference product's:
//
//	one domain    DEVICE/domain/DOMAIN
//	all domains   DEVICE/domain/all-domains
//	secure backup DEVICE/secure-backup/STAMP
//
// and DEVICE/ACTIVITY-TYPE/STAMP for other activities on whole devices.
func (d *Destination) PathFor(scope Scope) (string, Diagnostics) {
	if d.path == nil {
		return defaultPath(scope), nil
	}
	s := &sink{env: d.env}
	p := d.pathFor(s, scope)
	return p, s.done()
}

func defaultPath(s Scope) string {
	device, kind := "", ""
	if s.Device != nil {
		device = EscapeComponent(s.Device.Name)
	}
	stamp := cmp.Or(s.Stamp, pendingStamp)
	if s.Activity != nil {
		kind = s.Activity.Type
		if s.Activity.Schema.Scope == schema.ScopeDomain {
			domain := pendingDomain
			if s.Domain != "" {
				domain = EscapeComponent(s.Domain)
			}
			return path.Join(device, "domain", domain)
		}
	}
	if kind == "export_all_domains" {
		return path.Join(device, "domain", "all-domains")
	}
	return path.Join(device, strings.ReplaceAll(kind, "_", "-"), stamp)
}

func (d *Destination) pathFor(s *sink, scope Scope) string {
	ctx := child(d.path.ctx)
	ctx.Variables = scope.pathVariables(d.path.roots)
	r := d.path.expr.Range()
	v, ok := s.eval(d.path.expr, ctx)
	if !ok {
		return ""
	}
	if v.IsKnown() && !v.IsMarked() && v.IsNull() {
		s.add(diag.InvalidPath, r, "The path of the destination %q is null.", d.Address)
		return ""
	}
	v, ok = s.shownValue(v, r, "path", cty.String)
	if !ok {
		return ""
	}
	return s.cleanPath(v.AsString(), d.Address, r)
}

func (s *sink) cleanPath(p, address string, r hcl.Range) string {
	trimmed := strings.TrimSuffix(strings.TrimPrefix(p, "./"), "/")
	if strings.HasPrefix(p, "/") {
		s.add(diag.PathLeavesDestination, r, "The path %q of the destination %q is absolute. Paths are relative to the destination's own directory.", p, address)
		return ""
	}
	for _, part := range strings.Split(trimmed, "/") {
		switch {
		case part == "..":
			s.add(diag.PathLeavesDestination, r, "The path %q of the destination %q would leave the destination's directory. No part of it may be \"..\".", p, address)
			return ""
		case part == "" || part == ".":
			s.add(diag.InvalidPath, r, "The path %q of the destination %q has a part without a name. Something in it is empty; a device without a group, for example, has an empty device.group.", p, address)
			return ""
		case len(part) > maxComponent:
			s.add(diag.InvalidPath, r, "A part of the path of the destination %q is %d bytes long; at most %d are possible.", address, len(part), maxComponent)
			return ""
		case !utf8.ValidString(part) || strings.ContainsFunc(part, schema.Steers):
			s.add(diag.InvalidPath, r, "The path of the destination %q holds a control character or one that turns the direction of writing.", address)
			return ""
		}
	}
	return trimmed
}
