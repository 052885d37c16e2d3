package sftp

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/dprun/dprun/sdk/failure"
)

// credentials are used to log in to the server.
type credentials struct {
	signer   ssh.Signer
	password string
	agent    string // path of the agent's socket
}

// newCredentials reads the key. The texts of its errors contain no part of the key.
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
		if c.Certificate == "" {
			return credentials{signer: signer}, nil
		}
		cert, err := parseCertificate(c.Certificate)
		if err != nil {
			return credentials{}, bad("read certificate: %w", err).WithRemedy("give the content of the certificate's file: certificate = file(\"/path/to/key-cert.pub\")")
		}
		if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
			return credentials{}, bad("read certificate: it was made for a key other than private_key").WithRemedy("give the certificate of that key, or its key")
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

func parseCertificate(text string) (*ssh.Certificate, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, errors.New("it is not a public key as OpenSSH writes it")
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok || cert.CertType != ssh.UserCert {
		return nil, errors.New("it is not a user's certificate")
	}
	return cert, nil
}

// valid fails if a certificate cannot be used at the given time.
func valid(cert *ssh.Certificate, at time.Time) error {
	const form = "2006-01-02 15:04 MST"
	t := uint64(at.Unix())
	if t < cert.ValidAfter {
		return fmt.Errorf("it is valid from %s", time.Unix(int64(cert.ValidAfter), 0).Format(form))
	}
	if cert.ValidBefore != ssh.CertTimeInfinity && t >= cert.ValidBefore {
		return fmt.Errorf("it was valid until %s", time.Unix(int64(cert.ValidBefore), 0).Format(form))
	}
	return nil
}

// errMoreThanAPassword says that a login needs a person to answer: for a second
// factor, or for a new password because the old one has expired.
var errMoreThanAPassword = errors.New("the server asks for more than a password")

// methods returns the methods of logging in, and a function to call when the login is over.
func (c credentials) methods() ([]ssh.AuthMethod, func(), error) {
	switch {
	case c.signer != nil:
		if cert, ok := c.signer.PublicKey().(*ssh.Certificate); ok {
			if err := valid(cert, time.Now()); err != nil {
				return nil, nil, failure.New(failure.Denied, failure.BadCredentials, "use the certificate: %w", err).
					WithRemedy("have a new certificate signed for the key")
			}
		}
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
				return nil, errMoreThanAPassword
			}
			out[i] = c.password
		}
		return out, nil
	}
	return []ssh.AuthMethod{ssh.Password(c.password), ssh.KeyboardInteractive(answer)}, func() {}, nil
}
