package soma

import (
	"context"
	"strings"
	"time"
)

// CertificateDetails holds what a device says about a certificate object.
// Fields that it does not tell are empty.
type CertificateDetails struct {
	SHA1     string // fingerprint, lower-case hex
	Key      string // "rsa", "ecdsa", or another word of the device
	NotAfter time.Time
}

// CertificateDetails reads the details of a certificate object. Older firmware lacks the operation.
func (c *Client) CertificateDetails(ctx context.Context, domain, object string) (*CertificateDetails, error) {
	const op = "do-view-certificate-details"
	r, err := c.call(ctx, op, domain, `<dp:`+op+`><dp:certificate-object>`+escape(object)+`</dp:certificate-object></dp:`+op+`>`, nil)
	if err != nil {
		return nil, err
	}
	if err := r.want("view-certificate-details"); err != nil {
		return nil, err
	}
	for _, n := range r.nodes {
		d := n.Child("CertificateDetails")
		if n.Name != "CryptoCertificate" || d == nil {
			continue
		}
		out := &CertificateDetails{SHA1: hexadecimal(d.Attrs["fingerprint-sha1"]), Key: printable(d.Value("SubjectPublicKeyAlgorithm"))}
		switch key := strings.ToLower(out.Key); {
		case strings.Contains(key, "rsa") || d.Child("KeyValue").Child("RSAKeyValue") != nil:
			out.Key = "rsa"
		case strings.Contains(key, "ec"):
			out.Key = "ecdsa"
		}
		if out.NotAfter, err = time.Parse(time.RFC3339, d.Value("NotAfter")); err != nil {
			out.NotAfter = time.Time{}
		}
		return out, nil
	}
	return nil, &Error{Op: op, Class: BadReply, Text: "the reply holds no details"}
}

// hexadecimal normalizes a fingerprint to lower-case hex without separators.
func hexadecimal(s string) string {
	return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
}
