package sdk

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
)

// identify makes the identity with which this process serves exactly one host:
// the one whose certificate is given in PEM. The returned file passes
// everything on to stdout and adds the certificate of this process to the
// handshake line. Without a host's certificate there is no TLS, as in
// go-plugin.
func identify(host string, stdout *os.File) (provide func() (*tls.Config, error), _ *os.File, err error) {
	if host == "" {
		return nil, stdout, nil
	}
	hosts := x509.NewCertPool()
	if !hosts.AppendCertsFromPEM([]byte(host)) {
		return nil, nil, errors.New("the host's certificate cannot be read")
	}
	own, err := wire.NewCertificate()
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		named := false
		for in := bufio.NewReader(r); ; {
			line, err := in.ReadString('\n')
			if with := nameIn(line, own.Certificate[0]); !named && with != line {
				line, named = with, true
			}
			if _, werr := io.WriteString(stdout, line); err != nil || werr != nil {
				return // stdout is closed, or everything was copied
			}
		}
	}()
	return func() (*tls.Config, error) {
		return &tls.Config{
			Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: hosts, RootCAs: hosts,
			ServerName: wire.ServerName, MinVersion: tls.VersionTLS12,
		}, nil
	}, w, nil
}

// nameIn puts a certificate into go-plugin's handshake line, which has room for
// one in its sixth field. Any other line stays as it is.
func nameIn(line string, certificate []byte) string {
	text, whole := strings.CutSuffix(line, "\n")
	fields := strings.Split(text, "|")
	if !whole || len(fields) < 6 || fields[4] != "grpc" || fields[5] != "" {
		return line
	}
	fields[5] = base64.RawStdEncoding.EncodeToString(certificate)
	return strings.Join(fields, "|") + "\n"
}

// Roots reads the certificates that a TLS connection trusts from a PEM file.
// For an empty path it returns nil, which stands for the system's. It fails if
// the file holds no certificate.
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
