package plan_test

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/sdk/schema"
)

func text(name string, f func(*schema.Attribute)) schema.Attribute {
	a := schema.Attribute{Name: name, Type: schema.Type{Type: cty.String}}
	if f != nil {
		f(&a)
	}
	return a
}

func required(a *schema.Attribute) { a.Required = true }

func number(name, fallback string) schema.Attribute {
	low, high := 1.0, 65535.0
	return schema.Attribute{Name: name, Type: schema.Type{Type: cty.Number}, Default: fallback, Format: schema.FormatPort, Min: &low, Max: &high, Integer: true}
}

func asPath(a *schema.Attribute) { a.Format = schema.FormatPath }
func asFile(a *schema.Attribute) { a.Format = schema.FormatFile }

func list(name string) schema.Attribute {
	return schema.Attribute{Name: name, Type: schema.Type{Type: cty.List(cty.String)}}
}

// schemas stand for the bundled plugins.
func schemas() plan.Schemas {
	certificate := text("certificate", required)
	persisted := text("persisted", func(a *schema.Attribute) {
		a.Default, a.OneOf = "auto", []string{"auto", "persisted", "running"}
	})
	oneMode := func(a *schema.Attribute) { a.Format = schema.FormatDuration; a.Default = "30s" }
	return plan.Schemas{
		Sources: map[string]schema.SourceType{"datapower": {
			Name: "datapower", Endpoint: []string{"host", "port"},
			Config: schema.Block{
				Attributes: []schema.Attribute{
					text("host", required), number("port", "5550"), text("username", required),
					text("password", func(a *schema.Attribute) { a.Required, a.Sensitive = true, true }),
					text("timeout", oneMode),
					text("user", func(a *schema.Attribute) { a.Deprecated = "Use username." }),
				},
				Blocks: []schema.Nested{
					{Name: "tls", Nesting: schema.NestingSingle, Block: schema.Block{
						Attributes: []schema.Attribute{text("ca_file", asPath), text("server_name", nil), text("fingerprint_sha256", nil),
							text("min_version", func(a *schema.Attribute) { a.OneOf = []string{"1.2", "1.3"} })},
						AtMostOne: [][]string{{"ca_file", "fingerprint_sha256"}},
					}},
					{Name: "header", Nesting: schema.NestingList, Block: schema.Block{
						Attributes: []schema.Attribute{text("name", required), text("value", nil)},
					}},
				},
			},
			Activities: []schema.Activity{
				{Name: "secure_backup", Scope: schema.ScopeDevice, Quiesce: []string{"device"}, Exclusive: true,
					Config: schema.Block{Attributes: []schema.Attribute{certificate}}},
				{Name: "export_domain", Scope: schema.ScopeDomain, Quiesce: []string{"domain"},
					Config: schema.Block{Attributes: []schema.Attribute{persisted}}},
				{Name: "export_all_domains", Scope: schema.ScopeDevice, Quiesce: []string{"device"}, Exclusive: true,
					Config: schema.Block{Attributes: []schema.Attribute{persisted}}},
			},
		}},
		Destinations: map[string]schema.DestinationType{
			"nfs": {Name: "nfs", Family: "nfs", Abilities: []schema.Ability{schema.AbilityDelete, schema.AbilityList, schema.AbilityRead}, Config: schema.Block{Attributes: []schema.Attribute{text("server", nil), text("export", nil), text("mount", nil)},
				ExactlyOne: [][]string{{"server", "mount"}}}},
			"sftp": {Name: "sftp", Abilities: []schema.Ability{schema.AbilityDelete, schema.AbilityList, schema.AbilityRead}, Config: schema.Block{Attributes: []schema.Attribute{
				text("host", required), text("username", required), text("private_key", func(a *schema.Attribute) { a.Sensitive = true }),
				text("known_hosts", func(a *schema.Attribute) { a.Required = true; asFile(a) }), text("directory", required)}}},
			"file": {Name: "file", Config: schema.Block{Attributes: []schema.Attribute{text("directory", func(a *schema.Attribute) { a.Required = true; asPath(a) })}}},
		},
		Hooks: map[string]schema.HookType{
			"exec": {Name: "exec", Config: schema.Block{Attributes: []schema.Attribute{
				{Name: "command", Required: true, Type: schema.Type{Type: cty.List(cty.String)}},
				{Name: "secrets", Sensitive: true, Type: schema.Type{Type: cty.Map(cty.String)}},
				list("env")}}},
		},
	}
}
