package soma

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// TLS says how a device's certificate is verified. Verification cannot be switched off.
type TLS struct {
	// CAs are the roots to verify against, in PEM; empty: the system's.
	CAs []byte
	// ServerName is the name that the certificate must have; empty: the host of the endpoint.
	ServerName string
	// Fingerprint pins the device's certificate by the SHA-256 of its DER form, in hex with or without colons. It
	// replaces roots and name: exactly this certificate is trusted, even after it has expired.
	Fingerprint string
	// MinVersion is a tls.VersionTLS… constant; 0: TLS 1.2. Below TLS 1.2 the legacy ciphers are offered too,
	// which appliances of that age need.
	MinVersion uint16
	// LegacyCiphers offers RSA key exchange and CBC ciphers in addition to the current ones.
	LegacyCiphers bool
}

// ParseFingerprint normalizes a SHA-256 fingerprint to lower-case hex without separators.
func ParseFingerprint(s string) (string, error) {
	h := hexadecimal(strings.TrimPrefix(strings.TrimSpace(s), "sha256:"))
	if b, err := hex.DecodeString(h); err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("%q is not a SHA-256 fingerprint: it must have 64 hexadecimal digits", s)
	}
	return h, nil
}

func fingerprintOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// config returns the configuration of a connection. seen is called with every certificate that was accepted.
func (t TLS) config(seen func(*x509.Certificate)) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: t.MinVersion}
	c.MinVersion = cmp.Or(c.MinVersion, tls.VersionTLS12)
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
		// The chain is not verified because the certificate itself is compared below, also in resumed sessions.
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

// TLSCause says why no trusted connection was made.
type TLSCause string

// The causes. Empty: any other.
const (
	NoCommonVersion  TLSCause = "version"     // the two sides have no TLS version in common
	NoCommonCipher   TLSCause = "cipher"      // the two sides have no cipher or key exchange in common
	ClientWanted     TLSCause = "client_cert" // the device requires a client certificate
	NotTLS           TLSCause = "not_tls"     // the answer is not TLS
	OtherName        TLSCause = "name"        // the certificate is for another name
	UnknownAuthority TLSCause = "authority"   // no trusted authority has signed it
	Expired          TLSCause = "expired"     // it is not valid at this time
	OtherPin         TLSCause = "pin"         // it is not the pinned certificate
)

// These alerts of RFC 5246 and 8446 say why a device refuses the handshake.
var alerts = map[tls.AlertError]TLSCause{
	40: NoCommonCipher, 71: NoCommonCipher, 70: NoCommonVersion, 116: ClientWanted,
}

// tlsFailure fills e in and returns true if err is a failure to make a trusted connection.
func (e *Error) tlsFailure(err error) bool {
	if text, cause, ok := ofTLS(err); ok {
		e.Class, e.Text, e.TLS = TLSFailure, "TLS: "+text, cause
		e.ofCertificate(err)
		return true
	}
	return false
}

func ofTLS(err error) (text string, cause TLSCause, ok bool) {
	var pin *pinError
	var verification *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert *net.OpError
	switch text = printable(strings.TrimPrefix(err.Error(), "tls: ")); {
	case errors.As(err, &pin):
		return pin.Error(), OtherPin, true
	case errors.As(err, &verification):
		return "the certificate is not trusted: " + printable(verification.Err.Error()), ofVerification(verification.Err), true
	case errors.As(err, &invalid):
		return text, ofVerification(err), true
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return text, NotTLS, true
	case errors.As(err, &alert) && alert.Op == "remote error":
		for code, cause := range alerts {
			if code.Error() == alert.Err.Error() {
				return "the device refuses the connection: " + strings.TrimPrefix(alert.Err.Error(), "tls: "), cause, true
			}
		}
		return text, "", false // it may be temporary
	case strings.Contains(err.Error(), "server selected unsupported protocol version"):
		return text, NoCommonVersion, true
	}
	return text, "", strings.HasPrefix(err.Error(), "tls: ")
}

func ofVerification(err error) TLSCause {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return OtherName
	case errors.As(err, &authority):
		return UnknownAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired
	}
	return ""
}

// ofCertificate adds what the operator needs to know about the untrusted certificate.
func (e *Error) ofCertificate(err error) {
	var pin *pinError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &pin):
		e.Fingerprint = pin.got
	case errors.As(err, &verification) && len(verification.UnverifiedCertificates) > 0:
		shown := verification.UnverifiedCertificates[0]
		e.Fingerprint = fingerprintOf(shown)
		e.Text += fmt.Sprintf("; its SHA-256 fingerprint is %s", e.Fingerprint)
		for _, n := range shown.DNSNames {
			e.Names = append(e.Names, printable(n))
		}
		for _, ip := range shown.IPAddresses {
			e.Names = append(e.Names, ip.String())
		}
	}
}
