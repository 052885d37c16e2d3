package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/cmd/dprun/web/api"
)

// apiDescription is what is needed here of the API's description.
type apiDescription struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]apiSchema }
}

type operation struct {
	Description string
	Parameters  []struct {
		Name, In, Description string
		Required              bool
		Schema                apiSchema
	}
	RequestBody struct{ Content map[string]media }
	Responses   map[string]struct{ Content map[string]media }
}

type media struct{ Schema apiSchema }

type apiSchema struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Format, Description  string
	Items                *apiSchema
	AdditionalProperties any
	Properties           map[string]apiSchema
	Required             []string
	Enum                 []string
	Default              any
}

// openAPI writes the description of the API.
func openAPI(b *bytes.Buffer) {
	text, _ := description()
	b.Write(text)
}

func description() ([]byte, []api.Route) {
	text, routes, err := api.Describe()
	if err != nil {
		panic(err) // the server would not start
	}
	return text, routes
}

// apiPage writes the reference of the API: who may call what, and what is asked and answered.
func apiPage(b *bytes.Buffer) {
	text, routes := description()
	var d apiDescription
	if err := json.Unmarshal(text, &d); err != nil {
		panic(err)
	}
	generated(b, "The REST API of dprun serve: reference")
	fmt.Fprintf(b, "For programs that speak to a server, and their authors. Version %s. [How to use it](rest.md); [the same as OpenAPI 3.1](openapi.json), which a server answers at `%s/openapi.json`.\n\n", api.Version, api.Base)
	b.WriteString("## Who may call what\n\nWithout a token or a session nothing is answered (401), and with a lesser role nothing is done (403).\n\n| Route |")
	for _, r := range access.Roles() {
		fmt.Fprintf(b, " %s |", r)
	}
	b.WriteString(" What |\n|---|" + strings.Repeat("---|", len(access.Roles())) + "---|\n")
	for _, r := range routes {
		fmt.Fprintf(b, "| `%s %s` |", r.Method, r.Path)
		for _, role := range access.Roles() {
			may := access.Principal{Role: role}.May(r.Least)
			fmt.Fprintf(b, " %s |", map[bool]string{true: "yes", false: "–"}[may])
		}
		fmt.Fprintf(b, " %s |\n", r.Summary)
	}
	b.WriteString("\n## Operations\n")
	for _, r := range routes {
		op := d.Paths[r.Path][strings.ToLower(r.Method)]
		fmt.Fprintf(b, "\n### %s %s\n\n%s. %s\n", r.Method, r.Path, r.Summary, strings.ReplaceAll(op.Description, "\n\n", " "))
		if len(op.Parameters) > 0 {
			b.WriteString("\n| Parameter | In | Type | What |\n|---|---|---|---|\n")
		}
		for _, p := range op.Parameters {
			what := p.Description
			if p.Required && p.In != "path" {
				what += " (required)"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, p.In, p.Schema, what)
		}
		if body := shape(op.RequestBody.Content); body != "" {
			fmt.Fprintf(b, "\nBody: %s.\n", body)
		}
		for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
			if strings.HasPrefix(status, "2") {
				fmt.Fprintf(b, "\nReply %s: %s.\n", status, cmp.Or(shape(op.Responses[status].Content), "nothing"))
			}
		}
	}
	b.WriteString("\n## Objects\n\nTimes are RFC 3339; names that end in `_ns` are nanoseconds. What stands in no \"always\" is left out when it is empty.\n")
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		s := d.Components.Schemas[name]
		fmt.Fprintf(b, "\n### %s\n\n| Field | Type | Always | What |\n|---|---|---|---|\n", name)
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[field]
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", field, p, map[bool]string{true: "yes"}[slices.Contains(s.Required, field)], p.Description)
		}
	}
}

// shape names what a body is.
func shape(content map[string]media) string {
	for _, kind := range slices.Sorted(maps.Keys(content)) {
		return fmt.Sprintf("%s (`%s`)", content[kind].Schema, kind)
	}
	return ""
}

// String is a type in words.
func (s apiSchema) String() string {
	if s.Ref != "" {
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	}
	switch typ := fmt.Sprint(s.Type); {
	case typ == "array":
		return "list of " + s.Items.String()
	case len(s.Enum) > 0:
		return "`" + strings.Join(s.Enum, "`, `") + "`"
	case s.Format == "date-time":
		return "time"
	case s.Default != nil:
		return fmt.Sprintf("%s, %v unless given", typ, s.Default)
	case s.Type == nil:
		return "any"
	default:
		return typ
	}
}
