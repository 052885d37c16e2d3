package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"

	"github.com/dprun/dprun/sdk/internal/wire"
)

// Identity is how a host proves to the plugins that it starts that it is their
// host. One will do for all of them: its key leaves the host's memory for none.
type Identity struct{ certificate tls.Certificate }

// NewIdentity makes one. The error is that of the system's random numbers.
func NewIdentity() (Identity, error) {
	c, err := wire.NewCertificate()
	return Identity{c}, err
}

// Env is the variable, NAME=VALUE, by which a plugin's process knows its host. No secret is in it.
func (i Identity) Env() string {
	return wire.EnvHost + "=" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Certificate[0]}))
}

// TLS is the configuration of the connection to one process. go-plugin puts
// the certificate in that the process names in its handshake; no other is trusted.
func (i Identity) TLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{i.certificate}, RootCAs: x509.NewCertPool(), ServerName: wire.ServerName, MinVersion: tls.VersionTLS12}
}
