package sftp

import (
	"errors"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/dprun/dprun/sdk/failure"
)

// credentials are what a session logs in with.
type credentials struct {
	signer   ssh.Signer
	password string
	agent    string // path of the agent's socket
}

// newCredentials reads the key. The texts of its errors hold no part of it.
func newCredentials(c Config, agentSocket string) (credentials, error) {
	bad := func(format string, args ...any) *failure.Error {
		return failure.New(failure.Precondition, failure.BadConfig, format, args...)
	}
	switch {
	case c.PrivateKey != "":
		signer, err := parseKey(c)
		var missing *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &missing):
			return credentials{}, bad("read private_key: it is protected by a passphrase").WithRemedy("set `passphrase`")
		case err != nil && c.Passphrase != "":
			return credentials{}, bad("read private_key: it is not a key in PEM form, or the passphrase is wrong").
				WithRemedy("give the content of the key's file: private_key = secret_file(\"/path/to/key\")")
		case err != nil:
			return credentials{}, bad("read private_key: it is not a key in PEM form").
				WithRemedy("give the content of the key's file: private_key = secret_file(\"/path/to/key\")")
		}
		return credentials{signer: signer}, nil
	case c.Agent != nil && *c.Agent:
		if agentSocket == "" {
			return credentials{}, bad("use the SSH agent: SSH_AUTH_SOCK is not set").WithRemedy("start an agent and add the key (ssh-add), or set `private_key`")
		}
		return credentials{agent: agentSocket}, nil
	case c.Password != "":
		return credentials{password: c.Password}, nil
	}
	return credentials{}, bad("log in: none of private_key, password and agent is set").WithRemedy("set one of them")
}

func parseKey(c Config) (ssh.Signer, error) {
	if c.Passphrase != "" {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(c.PrivateKey), []byte(c.Passphrase))
	}
	return ssh.ParsePrivateKey([]byte(c.PrivateKey))
}

// methods gives the ways to log in, and what to call once the login is over.
func (c credentials) methods() ([]ssh.AuthMethod, func(), error) {
	switch {
	case c.signer != nil:
		return []ssh.AuthMethod{ssh.PublicKeys(c.signer)}, func() {}, nil
	case c.agent != "":
		conn, err := net.Dial("unix", c.agent)
		if err != nil {
			return nil, nil, failure.New(failure.Precondition, failure.BadConfig, "use the SSH agent at %s: %w", c.agent, err).
				WithRemedy("start an agent and add the key (ssh-add), or set `private_key`")
		}
		return []ssh.AuthMethod{ssh.PublicKeysCallback(agent.NewClient(conn).Signers)}, func() { _ = conn.Close() }, nil
	}
	// Many servers ask for a password only through keyboard-interactive.
	answer := func(_, _ string, questions []string, echos []bool) ([]string, error) {
		out := make([]string, len(questions))
		for i := range questions {
			if echos[i] {
				return nil, errors.New("the server asks for more than a password")
			}
			out[i] = c.password
		}
		return out, nil
	}
	return []ssh.AuthMethod{ssh.Password(c.password), ssh.KeyboardInteractive(answer)}, func() {}, nil
}
