// Package mail sends a script's context as a mail: one message for each run of
// the script, over its own connection.
package mail

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// The ways to protect a connection.
const (
	tlsStart    = "starttls"
	tlsImplicit = "implicit"
	tlsNone     = "none"
)

// Config is the configuration of a script "mail".
type Config struct {
	Host       string   `dprun:"host,required" doc:"Name or address of the SMTP server that takes the mail: usually the relay of your site."`
	Port       int      `dprun:"port" format:"port" doc:"Its port. Default: 587, with tls = \"implicit\" 465, with tls = \"none\" 25."`
	TLS        string   `dprun:"tls" oneof:"starttls|implicit|none" default:"starttls" doc:"starttls: the connection is encrypted by STARTTLS, and a server that does not offer it gets nothing. implicit: it is from the beginning. none: everybody on the way can read the mail."`
	CAFile     string   `dprun:"ca_file" format:"certificates" doc:"File of trusted roots in PEM form. Default: those of the system."`
	ServerName string   `dprun:"server_name" doc:"Name that the server's certificate must have. Default: host."`
	Username   string   `dprun:"username" doc:"Whom to log in as. Default: no login."`
	Password   string   `dprun:"password,sensitive" doc:"The password for it."`
	From       string   `dprun:"from,required" doc:"Address of the sender, which also gets what cannot be delivered."`
	To         []string `dprun:"to,required" doc:"Addresses of those who get it. One that the server refuses keeps no other from getting it."`
	Subject    string   `dprun:"subject_prefix" default:"[dprun]" doc:"What the subject begins with; then come the event, the plan and the status."`
	Hello      string   `dprun:"hello" doc:"Name by which this host introduces itself. Default: its own."`
}

// Plugin offers the script type "mail".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "mail",
		Version: "1.0.0",
		Doc:     "Sends a mail as a script of a plan, for its notify blocks above all.",
		Hooks: []sdk.HookType{sdk.NewHook(
			schema.HookType{Name: "mail", Doc: "A mail in plain text: the status in the subject, what went wrong by cause with what to do, what is not undone, and a table of devices and domains."},
			configure, validate)},
	}
}

func configure(_ context.Context, c Config, _ sdk.Env) (sdk.Hook, error) {
	c.Port = cmp.Or(c.Port, map[string]int{tlsStart: 587, tlsImplicit: 465, tlsNone: 25}[c.TLS])
	roots, err := sdk.Roots(c.CAFile)
	if err != nil {
		return nil, err
	}
	return &hook{config: c, roots: roots}, nil
}

func validate(c Config, known func(...string) bool) []schema.Diagnostic {
	var ds []schema.Diagnostic
	bad := schema.Reporter(&ds)
	address := func(path []string, text string) {
		if _, err := mail.ParseAddress(text); err != nil || strings.ContainsAny(text, "\r\n") {
			bad(path, "Not an address", "%q is not a mail address: write it like \"team@example.com\" or \"The team <team@example.com>\".", text)
		}
	}
	if known("from") {
		address([]string{"from"}, c.From)
	}
	if known("to") && len(c.To) == 0 {
		bad([]string{"to"}, "Nobody gets it", "\"to\" needs at least one address.")
	}
	for i, to := range c.To {
		if known("to", fmt.Sprint(i)) {
			address([]string{"to", fmt.Sprint(i)}, to)
		}
	}
	if known("tls") && known("username") && c.TLS == tlsNone && c.Username != "" {
		bad([]string{"tls"}, "Password in the clear", "With tls = \"none\" everybody on the way could read the password. Use \"starttls\" or \"implicit\", or a server that needs no login from here.")
	}
	return ds
}
