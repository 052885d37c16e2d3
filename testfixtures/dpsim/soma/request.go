package soma

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

const managementNS = "http://www.datapower.com/schemas/management"

// node is an element of a request. Prefixes do not matter, so names are local.
type node struct {
	name     string
	space    string
	attrs    map[string]string
	children []*node
	text     string
}

// child finds the first child of that name, or an empty node.
func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return &node{}
}

func (n *node) value(name string) string { return strings.TrimSpace(n.child(name).text) }

// element is the node as text, in no namespace.
func (n *node) element() string {
	var b strings.Builder
	b.WriteString("<" + n.name)
	for _, name := range slices.Sorted(maps.Keys(n.attrs)) {
		b.WriteString(" " + name + `="` + esc(n.attrs[name]) + `"`)
	}
	if len(n.children) == 0 && n.text == "" {
		return b.String() + "/>"
	}
	b.WriteString(">")
	for _, c := range n.children {
		b.WriteString(c.element())
	}
	if len(n.children) == 0 {
		b.WriteString(esc(n.text))
	}
	return b.String() + "</" + n.name + ">"
}

func (n *node) flag(name string) bool { return truth(n.attrs[name]) }

func truth(v string) bool { return v == "true" || v == "1" || v == "on" }

// request is a parsed management request.
type request struct {
	domain string
	op     *node  // the operation element
	action *node  // of do-action: the action element
	name   string // do-export, get-status/DomainStatus, do-action/DomainQuiesce
}

var errSchema = errors.New("not a management request")

// parseRequests reads an envelope. One Body may hold several requests.
func parseRequests(body []byte) ([]*request, error) {
	root, err := parseNode(body)
	if err != nil {
		return nil, err
	}
	if root.name != "Envelope" {
		return nil, errSchema
	}
	var out []*request
	for _, r := range root.child("Body").children {
		req, err := parseRequest(r)
		if err != nil {
			return nil, err
		}
		out = append(out, req)
	}
	if len(out) == 0 {
		return nil, errSchema
	}
	return out, nil
}

func parseRequest(r *node) (*request, error) {
	if r.name != "request" || r.space != managementNS || len(r.children) != 1 {
		return nil, errSchema
	}
	req := &request{domain: r.attrs["domain"], op: r.children[0]}
	if req.domain == "" {
		req.domain = "default"
	}
	req.name = req.op.name
	switch req.name {
	case "get-status", "get-config":
		if class := req.op.attrs["class"]; class != "" {
			req.name += "/" + class
		}
	case "do-action":
		if len(req.op.children) != 1 {
			return nil, errSchema
		}
		req.action = req.op.children[0]
		req.name += "/" + req.action.name
	}
	return req, nil
}

// domains are the domains the request is about.
func (r *request) domains() []string {
	switch r.name {
	case "do-action/DomainQuiesce", "do-action/DomainUnquiesce":
		return []string{r.action.value("name")}
	case "do-backup":
		return r.backupDomains()
	}
	return []string{r.domain}
}

func (r *request) backupDomains() []string {
	var names []string
	for _, c := range r.op.children {
		if c.name == "domain" && c.attrs["name"] != "" { // IBM's own client sends an empty one first
			names = append(names, c.attrs["name"])
		}
	}
	return names
}

func parseNode(body []byte) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	top := &node{}
	stack := []*node{top}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		here := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local, space: t.Name.Space, attrs: map[string]string{}}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					n.attrs[a.Name.Local] = a.Value
				}
			}
			here.children = append(here.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			here.text += string(t)
		}
	}
	if len(top.children) != 1 {
		return nil, errSchema
	}
	return top.children[0], nil
}
