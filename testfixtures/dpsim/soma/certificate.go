package soma

import (
	"fmt"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// certificateDetails answers do-view-certificate-details of a certificate object.
func (x *exchange) certificateDetails(req *request) (string, error) {
	name := req.op.value("certificate-object")
	if !x.app.Profile().CertificateDetails {
		return "", unknown("Operation", req.op.name)
	}
	if req.domain == "default" {
		for _, c := range x.app.Certificates() {
			if c.Name == name {
				return certificateOf(c, x.app.CertificateEnd(c)), nil
			}
		}
	}
	return "", &appliance.Refusal{Text: "Cannot find certificate object '" + name + "'", Log: true}
}

func certificateOf(c appliance.CertificateSpec, end time.Time) string {
	signature, algorithm, key := "sha256WithRSAEncryption", "rsaEncryption", `<KeyValue xmlns="http://www.w3.org/2000/09/xmldsig#"><RSAKeyValue><Modulus>AKz7</Modulus><Exponent>AQAB</Exponent></RSAKeyValue></KeyValue>`
	if c.Key == "ecdsa" {
		signature, algorithm, key = "ecdsa-with-SHA256", "id-ecPublicKey", ""
	}
	return fmt.Sprintf(`<CryptoCertificate name="%s"%s><CertificateDetails fingerprint-sha1="%s"><Version>3</Version><SerialNumber>4711</SerialNumber><SignatureAlgorithm>%s</SignatureAlgorithm>`+
		`<Issuer>CN=dpsim</Issuer><NotBefore>%s</NotBefore><NotAfter>%s</NotAfter><Subject>CN=%s</Subject><SubjectPublicKeyAlgorithm>%s</SubjectPublicKeyAlgorithm>%s</CertificateDetails></CryptoCertificate>`,
		esc(c.Name), rowNS, c.Fingerprint, signature, end.AddDate(-5, 0, 0).UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339), esc(c.Name), algorithm, key)
}

// users shows the account that the gateway has, and its group.
func (x *exchange) users(class string, add func(string, string, ...string)) {
	user, _ := x.app.Credentials()
	profile := x.app.Spec().Access
	if class == "UserGroup" {
		if profile == nil {
			return
		}
		f := fields{"mAdminState", "enabled", "UserSummary", ""}
		for _, line := range profile {
			f = append(f, "AccessPolicies", line)
		}
		add("dprun", "", f...)
		return
	}
	if profile == nil {
		add(user, "", "mAdminState", "enabled", "UserSummary", "", "AccessLevel", "privileged")
		return
	}
	add(user, "", "mAdminState", "enabled", "UserSummary", "", "AccessLevel", "group-defined", `GroupName class="UserGroup"`, "dprun")
}
