package sftp

import (
	"context"
	"os"
	"strings"
	"unicode"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// agentVariable names the agent's socket.
const agentVariable = "SSH_AUTH_SOCK"

// Plugin is what the bundled plugin serves.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "sftp",
		Version: "1.0.0",
		Doc:     "Stores files on an SSH server over SFTP, verified, and under their final names only when whole.",
		Env:     []string{agentVariable},
		Destinations: []sdk.DestinationType{
			sdk.NewDestination(schema.DestinationType{
				Name: "sftp",
				Doc:  "A directory on an SSH server.",
			}, configure, validate),
		},
	}
}

func configure(_ context.Context, c Config, env sdk.Env) (*destination, error) {
	return newDestination(c, env, os.Getenv(agentVariable), defaultTiming)
}

// validate says what the schema cannot. It reads nothing but its arguments.
func validate(c Config, known func(path ...string) bool) []schema.Diagnostic {
	var out []schema.Diagnostic
	report := func(name, summary, detail string) {
		out = append(out, schema.Diagnostic{Severity: schema.SeverityError, Summary: summary, Detail: detail, Path: []string{name}})
	}
	if known("host") && (strings.ContainsAny(c.Host, "/@[] ") || strings.Count(c.Host, ":") == 1 || c.Host == "") {
		report("host", "Unusable host", "host is a name or an address alone; the port goes to port, the user to username, the directory to directory.")
	}
	if known("username") && (c.Username == "" || strings.ContainsFunc(c.Username, unicode.IsControl)) {
		report("username", "Unusable user name", "username must not be empty or hold control characters.")
	}
	if known("directory") && (c.Directory == "" || strings.ContainsFunc(c.Directory, unicode.IsControl)) {
		report("directory", "Unusable directory", "directory must not be empty or hold control characters; \".\" is where the login starts.")
	}
	if known("agent") && c.Agent != nil && !*c.Agent {
		report("agent", "Agent switched off", "agent = false says nothing: leave it out and set private_key or password, or write agent = true.")
	}
	if known("passphrase") && known("private_key") && c.Passphrase != "" && c.PrivateKey == "" {
		report("passphrase", "Passphrase without a key", "passphrase opens private_key, which is not set.")
	}
	if known("certificate") && known("private_key") && c.Certificate != "" && c.PrivateKey == "" {
		report("certificate", "Certificate without a key", "certificate belongs to private_key, which is not set; an agent brings its certificates along.")
	}
	if known("file_mode") {
		if _, err := parseMode(c.FileMode); err != nil {
			report("file_mode", "Unusable file mode", "file_mode "+err.Error()+".")
		}
	}
	if known("private_key") && known("passphrase") && c.PrivateKey != "" {
		bare := c
		bare.Certificate = ""
		if _, err := newCredentials(bare, ""); err != nil {
			report("private_key", "Unusable private key", err.Error()+".")
		} else if _, err := newCredentials(c, ""); err != nil && known("certificate") {
			report("certificate", "Unusable certificate", err.Error()+".")
		}
	}
	return out
}
