package sftp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/sdk/failure"
)

// hostKeys checks one connection's server key against the known_hosts file.
type hostKeys struct {
	config Config
	*knownHosts
	// refused is the reason why the key was refused. The handshake passes it on only as text.
	refused *failure.Error
}

// loadHostKeys reads the file for every connection, so that a key that an
// operator has just added counts at the next attempt.
func loadHostKeys(c Config) (*hostKeys, error) {
	k, err := readKnownHosts(c.KnownHosts)
	if errors.Is(err, os.ErrNotExist) {
		return nil, failure.New(failure.Denied, failure.HostKey, "read known_hosts for %s: %w", c.addr(), err).
			WithRemedy("%s", scanRemedy(c, ""))
	}
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read known_hosts for %s: %w", c.addr(), err).
			WithRemedy("let the user that runs dprun read %s", c.KnownHosts)
	}
	return &hostKeys{config: c, knownHosts: k}, nil
}

// algorithms returns the kinds of keys that the server may show; nil: any.
func (h *hostKeys) algorithms() []string {
	return h.knownHosts.algorithms(h.config.Host, h.config.Port)
}

// check is the ssh.HostKeyCallback.
func (h *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	c := h.config
	v := h.judge(c.Host, c.Port, key)
	if v.standing == known {
		return nil
	}
	h.refused = h.refuse(v, key)
	return h.refused
}

func (h *hostKeys) refuse(v verdict, key ssh.PublicKey) *failure.Error {
	c := h.config
	shown := shownKey(key)
	if v.invalid != nil {
		shown += fmt.Sprintf(" (which does not count: %v)", v.invalid)
	}
	refused := func(format string, args ...any) *failure.Error {
		f := failure.New(failure.Denied, failure.HostKey, "check the key of %s: %s", c.addr(), fmt.Sprintf(format, args...))
		if len(h.skipped) > 0 && v.standing == unknown {
			f.Message += "; " + strings.Join(h.skipped[:min(skippedShown, len(h.skipped))], "; ")
		}
		return f
	}
	scan := scanRemedy(c, shownKey(key))
	switch v.standing {
	case revoked:
		return refused("its key %s is marked %s in %s, line %d", shown, markRevoked, c.KnownHosts, v.lines[0].number).
			WithRemedy("do not connect; ask the administrator of the server for its current key")
	case changed:
		return refused("the server shows %s, but %s holds %s: the key was changed, or somebody intercepts the connection", shown, c.KnownHosts, wanted(v.lines)).
			WithRemedy("ask the administrator of the server whether its key has changed; if it has, remove the old line (ssh-keygen -R '%s' -f '%s') and %s",
				names(c.Host, c.Port)[0], c.KnownHosts, scan)
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		return refused("the server shows %s, and %s holds neither its authority %s nor a key for it", shown, c.KnownHosts, shownKey(cert.SignatureKey)).
			WithRemedy("add the line \"%s %s KEY\" with the authority's public key to %s; or %s", markAuthority, names(c.Host, c.Port)[0], c.KnownHosts, scan)
	}
	return refused("the server shows %s, and %s holds no key for it", shown, c.KnownHosts).WithRemedy("%s", scan)
}

// shownKey names a key the way ssh-keygen -l does.
func shownKey(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		return fmt.Sprintf("a certificate for %s %s", cert.Key.Type(), ssh.FingerprintSHA256(cert.Key))
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

func wanted(lines []knownLine) string {
	var out []string
	for _, l := range lines {
		out = append(out, fmt.Sprintf("%s (line %d)", shownKey(l.key), l.number))
	}
	return strings.Join(out, ", ")
}

func scanRemedy(c Config, shown string) string {
	compare := "its fingerprint"
	if shown != "" {
		compare = "the fingerprint " + shown[strings.LastIndexByte(shown, ' ')+1:]
	}
	return fmt.Sprintf("compare %s with what the administrator of the server tells you, then type: ssh-keyscan -p %d '%s' >> '%s'",
		compare, c.Port, c.Host, c.KnownHosts)
}
