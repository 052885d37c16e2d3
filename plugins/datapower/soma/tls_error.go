package soma

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// TLSCause is why no trusted connection came about.
type TLSCause string

// The causes. An empty one is something else.
const (
	NoCommonVersion  TLSCause = "version"     // the two sides have no version of TLS in common
	NoCommonCipher   TLSCause = "cipher"      // nor a cipher, or a key exchange
	ClientWanted     TLSCause = "client_cert" // the device asks for a certificate of the client
	NotTLS           TLSCause = "not_tls"     // the answer is no TLS
	OtherName        TLSCause = "name"        // the certificate is for another name
	UnknownAuthority TLSCause = "authority"   // nobody who is trusted has signed it
	Expired          TLSCause = "expired"     // it is not valid at this time
	OtherPin         TLSCause = "pin"         // it is not the pinned one
)

// The alerts of RFC 5246 and 8446 by which a device says why it does not go on.
var alerts = map[tls.AlertError]TLSCause{
	40: NoCommonCipher, 71: NoCommonCipher, 70: NoCommonVersion, 116: ClientWanted,
}

// tlsFailure fills e in if err is a failure to make a trusted connection, and reports whether it is.
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
		return text, "", false // it may pass
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

// ofCertificate adds what one needs to know of the certificate that was not trusted.
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
