package sftp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/dprun/dprun/sdk/failure"
)

// hostKeys checks one connection's server key against the known_hosts file.
type hostKeys struct {
	config Config
	db     *knownhosts.HostKeyDB
	// refused is why the key was refused. The handshake gives it as text only.
	refused *failure.Error
}

// loadHostKeys reads the file anew for every connection: a key that an
// operator has just added counts at the next try.
func loadHostKeys(c Config) (*hostKeys, error) {
	db, err := knownhosts.NewDB(c.KnownHosts)
	if errors.Is(err, os.ErrNotExist) {
		return nil, failure.New(failure.Denied, failure.HostKey, "read known_hosts for %s: %w", c.addr(), err).
			WithRemedy("%s", scanRemedy(c, ""))
	}
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read known_hosts %s: %w", c.KnownHosts, err).
			WithRemedy("correct that line")
	}
	return &hostKeys{config: c, db: db}, nil
}

// algorithms restricts the negotiation to the kinds of keys that the file
// holds for the server. Without it a server with several keys may show one
// that is not in the file, which looks like a changed key. Nil: unknown server.
func (h *hostKeys) algorithms() []string { return h.db.HostKeyAlgorithms(h.config.addr()) }

// check is the ssh.HostKeyCallback.
func (h *hostKeys) check(hostname string, remote net.Addr, key ssh.PublicKey) error {
	err := h.db.HostKeyCallback()(hostname, remote, key)
	if err == nil {
		return nil
	}
	c := h.config
	shown := shownKey(key)
	var revoked *xknownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		h.refused = failure.New(failure.Denied, failure.HostKey, "check the key of %s: its key %s is marked @revoked in %s, line %d",
			c.addr(), shown, revoked.Revoked.Filename, revoked.Revoked.Line).
			WithRemedy("do not connect; ask whoever runs the server for its current key")
	case knownhosts.IsHostKeyChanged(err):
		var keyErr *xknownhosts.KeyError
		errors.As(err, &keyErr)
		h.refused = failure.New(failure.Denied, failure.HostKey, "check the key of %s: the server shows %s, but %s holds %s: the key was changed, or somebody stands in between",
			c.addr(), shown, c.KnownHosts, wanted(keyErr.Want)).
			WithRemedy("ask whoever runs the server whether its key has changed; if it has, remove the old line (ssh-keygen -R '%s' -f '%s') and %s",
				knownhosts.Normalize(c.addr()), c.KnownHosts, scanRemedy(c, shown))
	case knownhosts.IsHostUnknown(err):
		h.refused = failure.New(failure.Denied, failure.HostKey, "check the key of %s: the server shows %s, and %s holds no key for it",
			c.addr(), shown, c.KnownHosts).WithRemedy("%s", scanRemedy(c, shown))
	default:
		h.refused = failure.New(failure.Denied, failure.HostKey, "check the key of %s: the server shows %s: %w", c.addr(), shown, err)
	}
	return h.refused
}

// shownKey names a key as ssh-keygen -l does.
func shownKey(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		return fmt.Sprintf("a certificate for %s %s", cert.Key.Type(), ssh.FingerprintSHA256(cert.Key))
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

func wanted(keys []xknownhosts.KnownKey) string {
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%s (line %d)", shownKey(k.Key), k.Line))
	}
	return strings.Join(out, ", ")
}

func scanRemedy(c Config, shown string) string {
	compare := "its fingerprint"
	if shown != "" {
		compare = "the fingerprint " + shown[strings.LastIndexByte(shown, ' ')+1:]
	}
	return fmt.Sprintf("compare %s with what whoever runs the server tells you, then type: ssh-keyscan -p %d '%s' >> '%s'",
		compare, c.Port, c.Host, c.KnownHosts)
}
