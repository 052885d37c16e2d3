package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"

	"github.com/dprun/dprun/sdk/internal/wire"
)

// Identity proves to the plugins that a host starts that it is their host. One
// identity serves all plugins: its key never leaves the host's memory.
type Identity struct{ certificate tls.Certificate }

// NewIdentity makes an identity. It fails only if the system has no random
// numbers.
func NewIdentity() (Identity, error) {
	c, err := wire.NewCertificate()
	return Identity{c}, err
}

// Env returns the environment variable, NAME=VALUE, that tells a plugin's process who its host is.
// It holds no secret.
func (i Identity) Env() string {
	return wire.EnvHost + "=" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Certificate[0]}))
}

// TLS returns the configuration of the connection to one process. The connection
// trusts only the certificate that the process names in its handshake; go-plugin
// adds it.
func (i Identity) TLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{i.certificate}, RootCAs: x509.NewCertPool(), ServerName: wire.ServerName, MinVersion: tls.VersionTLS12}
}
