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

// EnvHost holds the certificate of the plugin's host, in PEM. The name is
// go-plugin's. The plugin sends its own certificate in the handshake.
const EnvHost = "PLUGIN_CLIENT_CERT"

// ServerName is the plugin's name in TLS on both ends; it is go-plugin's
// choice.
const ServerName = "localhost"

// NewCertificate makes the certificate with which one end of the protocol
// proves its identity. It signs itself, and its key stays in the memory of this
// process. go-plugin would use the curve P-521, which Go computes without
// assembly: that took half of the processor time of a run of one task.
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
		// The other end trusts exactly this certificate, so its dates add nothing. Setting the clock
		// during a run must not end the run.
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(30, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
