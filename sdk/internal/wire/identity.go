package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// EnvHost holds the certificate of the host that a plugin serves, in PEM. The
// name is go-plugin's; the plugin names its own certificate in the handshake.
const EnvHost = "PLUGIN_CLIENT_CERT"

// ServerName is what both ends call the plugin in TLS, as go-plugin does.
const ServerName = "localhost"

// NewCertificate makes what one end of the protocol proves itself with to the
// other: a key that stays in the memory of this process, and a certificate that
// signs itself. go-plugin would make them on the curve P-521, which Go computes
// without assembly: for a run of one task that was half of all processor time.
func NewCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: ServerName}, DNSNames: []string{ServerName},
		// The other end trusts exactly this certificate; a clock that is set during a run must not end it.
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(30, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
