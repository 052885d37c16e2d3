package soma

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// TLS says how a device's certificate is verified. Verification cannot be switched off.
type TLS struct {
	// CAs are the roots to verify against, in PEM; empty: the system's.
	CAs []byte
	// ServerName is the name the certificate must be for; empty: the host of the endpoint.
	ServerName string
	// Fingerprint pins the device's certificate by the SHA-256 of its DER form, in hex with or without colons. It replaces roots
	// and name: exactly this certificate is trusted, also after it expired.
	Fingerprint string
	// MinVersion is a tls.VersionTLS… constant; 0: TLS 1.2. Below that the legacy ciphers are offered too, which appliances of that
	// age need.
	MinVersion uint16
	// LegacyCiphers offers RSA key exchange and ciphers in CBC mode beside the current ones.
	LegacyCiphers bool
}

// ParseFingerprint brings a SHA-256 fingerprint into the form of lower-case hex without separators.
func ParseFingerprint(s string) (string, error) {
	h := hexadecimal(strings.TrimPrefix(strings.TrimSpace(s), "sha256:"))
	if b, err := hex.DecodeString(h); err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("%q is no SHA-256 fingerprint: it must have 64 hexadecimal digits", s)
	}
	return h, nil
}

func fingerprintOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// config makes the configuration of a connection. seen is called with every certificate that was accepted.
func (t TLS) config(seen func(*x509.Certificate)) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: t.MinVersion}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if t.LegacyCiphers || c.MinVersion < tls.VersionTLS12 {
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if !strings.Contains(s.Name, "RC4") && !strings.Contains(s.Name, "3DES") {
				c.CipherSuites = append(c.CipherSuites, s.ID)
			}
		}
	}
	if len(t.CAs) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CAs) {
			return nil, errors.New("the file of trusted roots holds no certificate in PEM form")
		}
	}
	pin := ""
	if t.Fingerprint != "" {
		var err error
		if pin, err = ParseFingerprint(t.Fingerprint); err != nil {
			return nil, err
		}
		// The chain is not looked at because the certificate itself is compared below, on resumed sessions as well.
		c.InsecureSkipVerify = true
	}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the device showed no certificate")
		}
		if got := fingerprintOf(s.PeerCertificates[0]); pin != "" && got != pin {
			return &pinError{got}
		}
		seen(s.PeerCertificates[0])
		return nil
	}
	return c, nil
}
