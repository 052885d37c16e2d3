package sdk

import (
	"crypto/x509"
	"os"

	"github.com/dprun/dprun/sdk/failure"
)

// Roots reads the certificates that a TLS connection trusts from a file in PEM
// form. An empty path is nil, for those of the system; a file without one is a failure.
func Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read the trusted certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read the trusted certificates: %s holds none in PEM form", file)
	}
	return pool, nil
}
