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

// Plugin returns the bundled plugin.
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

// validate checks what the schema cannot. It reads only its arguments.
func validate(c Config, known func(path ...string) bool) []schema.Diagnostic {
	var out []schema.Diagnostic
	bad := schema.Reporter(&out)
	if known("host") && (strings.ContainsAny(c.Host, "/@[] ") || strings.Count(c.Host, ":") == 1 || c.Host == "") {
		bad([]string{"host"}, "Unusable host", "host must be only a name or an address. Put the port into port, the user into username and the directory into directory.")
	}
	if known("username") && (c.Username == "" || strings.ContainsFunc(c.Username, unicode.IsControl)) {
		bad([]string{"username"}, "Unusable user name", "username must not be empty or hold control characters.")
	}
	if known("directory") && (c.Directory == "" || strings.ContainsFunc(c.Directory, unicode.IsControl)) {
		bad([]string{"directory"}, "Unusable directory", "directory must not be empty or hold control characters; \".\" is where the login starts.")
	}
	if known("agent") && c.Agent != nil && !*c.Agent {
		bad([]string{"agent"}, "Agent switched off", "agent = false has no effect: leave it out and set private_key or password, or write agent = true.")
	}
	if known("passphrase") && known("private_key") && c.Passphrase != "" && c.PrivateKey == "" {
		bad([]string{"passphrase"}, "Passphrase without a key", "passphrase opens private_key, which is not set.")
	}
	if known("certificate") && known("private_key") && c.Certificate != "" && c.PrivateKey == "" {
		bad([]string{"certificate"}, "Certificate without a key", "certificate belongs to private_key, which is not set; an agent has its own certificates.")
	}
	if known("file_mode") {
		if _, err := parseMode(c.FileMode); err != nil {
			bad([]string{"file_mode"}, "Unusable file mode", "file_mode %v.", err)
		}
	}
	if known("private_key") && known("passphrase") && c.PrivateKey != "" {
		bare := c
		bare.Certificate = ""
		if _, err := newCredentials(bare, ""); err != nil {
			bad([]string{"private_key"}, "Unusable private key", "%v.", err)
		} else if _, err := newCredentials(c, ""); err != nil && known("certificate") {
			bad([]string{"certificate"}, "Unusable certificate", "%v.", err)
		}
	}
	return out
}
