// Package tlspair makes certificates for the servers of tests.
package tlspair

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// Write writes cert.pem, which is its own root, and key.pem for a server of that
// name into a directory, and returns the path of the certificate.
func Write(t testing.TB, dir, name string) (ca string) {
	t.Helper()
	key := need.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der := need.Value(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	private := need.Value(x509.MarshalPKCS8PrivateKey(key))(t)
	ca = filepath.Join(dir, "cert.pem")
	need.Done(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	need.Done(t, os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return ca
}
