package config

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Config states of an object.
const (
	Saved    = "saved"
	New      = "new"
	Modified = "modified"
)

// Property is a property of an object: its name, and its element as text.
type Property struct{ Name, Element string }

// Text is the property's text, without mark-up.
func (p Property) Text() string {
	if _, rest, ok := strings.Cut(p.Element, ">"); ok { // most hold a short text, and they are many
		if text, end, ok := strings.Cut(rest, "<"); ok && strings.HasPrefix(end, "/") && !strings.Contains(text, "&") {
			return strings.TrimSpace(text)
		}
	}
	var b strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(p.Element))
	for {
		token, err := decoder.Token()
		if err != nil {
			return strings.TrimSpace(b.String())
		}
		if text, ok := token.(xml.CharData); ok {
			b.Write(text)
		}
	}
}

// Object is a configuration object. It is never changed once it is part of a
// configuration, so that configurations share theirs.
type Object struct {
	Class, Name string
	Attributes  string // beside the name, as text: ` intrinsic="true"`
	Properties  []Property
	State       string // its config state
	Condition   string // set from outside: down, expired, quiesced
	Hidden      bool
	Since       int64 // when an import brought it; 0: it was there before any
}

// Value is the text of a property; empty if the object lacks it.
func (o *Object) Value(property string) string {
	for _, p := range o.Properties {
		if p.Name == property {
			return p.Text()
		}
	}
	return ""
}

// Disabled reports whether the object's administrative state is disabled.
func (o *Object) Disabled() bool { return o.Value("mAdminState") == "disabled" }

// With is the object with properties in the place of those of their names.
func (o *Object) With(properties ...Property) *Object {
	given := func(p Property) bool {
		return slices.ContainsFunc(properties, func(q Property) bool { return q.Name == p.Name })
	}
	out := *o
	out.Properties = append(slices.DeleteFunc(slices.Clone(o.Properties), given), properties...)
	return &out
}

// AdminState is the property by that name.
func AdminState(state string) Property {
	return Property{"mAdminState", "<mAdminState>" + state + "</mAdminState>"}
}

// same reports whether two objects have the same properties.
func (o *Object) same(other *Object) bool {
	return slices.Equal(o.Properties, other.Properties)
}

// Config is the configuration of a domain. Copies share their objects.
type Config struct {
	Objects []*Object
	// Imported reports whether an import was applied: the states of objects follow
	// from their references then.
	Imported bool
}

// Clone is a configuration of the same objects.
func (c *Config) Clone() *Config {
	out := *c
	out.Objects = slices.Clone(c.Objects)
	return &out
}

// Find is an object, or nil.
func (c *Config) Find(class, name string) *Object {
	for _, o := range c.Objects {
		if o.Class == class && o.Name == name {
			return o
		}
	}
	return nil
}

// Put adds an object, or replaces the one of its class and name.
func (c *Config) Put(o *Object) {
	for i, there := range c.Objects {
		if there.Class == o.Class && there.Name == o.Name {
			c.Objects[i] = o
			return
		}
	}
	c.Objects = append(c.Objects, o)
}

// Remove takes an object away.
func (c *Config) Remove(class, name string) {
	c.Objects = slices.DeleteFunc(c.Objects, func(o *Object) bool { return o.Class == class && o.Name == name })
}

// AsSaved is the configuration after it was written to flash.
func (c *Config) AsSaved() *Config {
	out := c.Clone()
	for i, o := range out.Objects {
		if o.State != Saved {
			saved := *o
			saved.State = Saved
			out.Objects[i] = &saved
		}
	}
	return out
}

const namespaces = ` xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:dp="http://www.datapower.com/schemas/management"`

// XML are the objects as an export lists them. Those that the account cannot see
// are left out.
func (c *Config) XML(seesAll bool) string {
	var b strings.Builder
	for _, o := range c.Objects {
		if o.Hidden && !seesAll {
			continue
		}
		fmt.Fprintf(&b, `<%s name="%s"%s%s>`, o.Class, escape(o.Name), o.Attributes, namespaces)
		if o.Value("mAdminState") == "" {
			b.WriteString("\n" + AdminState("enabled").Element)
		}
		for _, p := range o.Properties {
			b.WriteString("\n" + p.Element)
		}
		fmt.Fprintf(&b, `</%s>`, o.Class)
	}
	return b.String()
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string { return escapes.Replace(s) }

// parseObjects reads the children of a configuration element from text, which
// begins right after its start tag.
func parseObjects(text []byte) ([]*Object, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var out []*Object
	var object *Object
	depth, began := 0, int64(0)
	for {
		before := decoder.InputOffset()
		token, err := decoder.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the objects: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch depth++; depth {
			case 1:
				object = &Object{Class: t.Name.Local}
				for _, a := range t.Attr {
					switch {
					case a.Name.Local == "name":
						object.Name = a.Value
					case a.Name.Space != "xmlns" && a.Name.Local != "xmlns":
						object.Attributes += fmt.Sprintf(` %s="%s"`, a.Name.Local, escape(a.Value))
					}
				}
			case 2:
				began = before
			}
		case xml.EndElement:
			switch depth {
			case 1:
				out = append(out, object)
			case 2:
				object.Properties = append(object.Properties, Property{t.Name.Local, string(text[began:decoder.InputOffset()])})
			}
			depth--
		}
	}
}

// attribute is the value of one of the object's attributes beside its name.
func (o *Object) attribute(name string) string {
	_, rest, ok := strings.Cut(o.Attributes, " "+name+`="`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// Delivered are the objects that a fabricated domain has from the start. No two
// domains listen at one port, as far as their names tell.
func Delivered(domain string) *Config {
	property := func(name, value string) Property {
		return Property{name, "<" + name + ">" + escape(value) + "</" + name + ">"}
	}
	refer := func(name, class, value string) Property {
		return Property{name, "<" + name + ` class="` + class + `">` + escape(value) + "</" + name + ">"}
	}
	object := func(class, name, attributes string, properties ...Property) *Object {
		return &Object{Class: class, Name: name, Attributes: attributes, State: Saved, Properties: append([]Property{AdminState("enabled")}, properties...)}
	}
	const intrinsic = ` intrinsic="true"`
	return &Config{Objects: []*Object{
		object("HTTPSourceProtocolHandler", domain+"-http", "", property("LocalAddress", "0.0.0.0"), property("LocalPort", port(domain)),
			property("HTTPVersion", "HTTP/1.1"), property("PersistentConnections", "on")),
		object("MultiProtocolGateway", domain, "", property("Priority", "normal"), refer("FrontProtocol", "HTTPSourceProtocolHandler", domain+"-http"),
			refer("XMLManager", "XMLManager", "default"), refer("StylePolicy", "StylePolicy", domain+"-policy"), property("Type", "static-backend")),
		Intrinsic().Objects[0],
		object("HTTPUserAgent", "default", intrinsic, property("UserSummary", "Default User Agent"), property("MaxRedirects", "8"), property("Timeout", "300")),
		object("StylePolicy", domain+"-policy", "", Property{"DefStylesheetForXsl", `<DefStylesheetForXsl read-only="true">store:///identity.xsl</DefStylesheetForXsl>`}),
	}}
}

// Intrinsic are the objects that a domain has without anybody's doing.
func Intrinsic() *Config {
	return &Config{Objects: []*Object{
		{Class: "XMLManager", Name: "default", Attributes: ` intrinsic="true"`, State: Saved,
			Properties: []Property{AdminState("enabled"), {"CacheSize", "<CacheSize>256</CacheSize>"}, {"UserAgent", `<UserAgent class="HTTPUserAgent">default</UserAgent>`}}},
	}}
}

func port(domain string) string {
	h := fnv.New32a()
	h.Write([]byte(domain))
	return strconv.Itoa(10_000 + int(h.Sum32()%50_000))
}
