package config

import (
	"regexp"
	"strings"
)

// Surroundings are what the state of objects depends on beside each other.
type Surroundings struct {
	// HasFile tells whether a file such as cert:///a.pem is there.
	HasFile func(uri string) bool
	// PortTaken tells whether another object listens where this one wants to.
	PortTaken func(o *Object) bool
}

// Status is the operational state of an object.
type Status struct {
	Up                   bool
	EventCode, ErrorCode string
}

var up = Status{Up: true, EventCode: "0x00000000"}

var reference = regexp.MustCompile(`<[A-Za-z][^<>]* class="([^"]+)"[^<>]*>([^<]+)<`)

// References are the objects that an object names.
func (o *Object) References() (out [][2]string) {
	for _, p := range o.Properties {
		for _, m := range reference.FindAllStringSubmatch(p.Element, -1) {
			out = append(out, [2]string{m[1], unescape(strings.TrimSpace(m[2]))})
		}
	}
	return out
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&")

func unescape(s string) string { return entities.Replace(s) }

// filed are the classes whose objects need the file that Filename names.
var filed = map[string]string{"CryptoCertificate": "Certificate", "CryptoKey": "Key"}

// Statuses are the operational states of all objects, in their order: an object
// is down if it is disabled, lacks its file, finds its port in use, or refers to
// one that is down.
func (c *Config) Statuses(around Surroundings) []Status {
	known := map[[2]string]Status{}
	var of func(o *Object) Status
	of = func(o *Object) Status {
		key := [2]string{o.Class, o.Name}
		if s, ok := known[key]; ok {
			return s
		}
		known[key] = up // of a circle of references
		s := c.own(o, around)
		for _, ref := range o.References() {
			if ref[0] == "Domain" || ref[0] == "GeneratedPolicy" {
				continue // of default; made by the gateway itself, and in no export
			}
			if !s.Up {
				break
			}
			if there := c.Find(ref[0], ref[1]); there == nil || !of(there).Up {
				s = Status{EventCode: "0x0036000e", ErrorCode: "required referenced object not up"}
			}
		}
		known[key] = s
		return s
	}
	out := make([]Status, len(c.Objects))
	for i, o := range c.Objects {
		out[i] = of(o)
	}
	return out
}

// own is the state of an object that nothing else takes down.
func (c *Config) own(o *Object, around Surroundings) Status {
	if o.Disabled() {
		return Status{EventCode: "0x0034000d", ErrorCode: "Object is disabled"}
	}
	if what, needs := filed[o.Class]; needs {
		if file := o.Value("Filename"); file != "" && !around.HasFile(file) {
			return Status{EventCode: "0x80600086", ErrorCode: what + " file '" + file + "' unreadable"}
		}
	}
	if o.Value("LocalPort") != "" && around.PortTaken(o) {
		return Status{EventCode: "0x00b30002", ErrorCode: "failed to install on port"}
	}
	return up
}

// Clash reports whether two objects listen at the same address and port.
func Clash(a, b *Object) bool {
	port := a.Value("LocalPort")
	if port == "" || port != b.Value("LocalPort") || a.Disabled() || b.Disabled() {
		return false
	}
	any := func(address string) bool { return address == "" || address == "0.0.0.0" || address == "::" }
	x, y := a.Value("LocalAddress"), b.Value("LocalAddress")
	return any(x) || any(y) || x == y
}
