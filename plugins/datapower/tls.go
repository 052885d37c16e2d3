package datapower

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/soma"
)

// remedy says which argument of the tls block mends a failed connection, given what the block has now.
func (c TLSConfig) remedy(e *soma.Error) string {
	pin := fmt.Sprintf("fingerprint_sha256 = %q", e.Fingerprint)
	switch e.TLS {
	case soma.NoCommonVersion:
		return c.versionRemedy()
	case soma.NoCommonCipher:
		return c.cipherRemedy()
	case soma.ClientWanted:
		return "the gateway asks for a certificate of the client, which dprun does not have: switch client authentication off in the SSL server profile of its management interface"
	case soma.NotTLS:
		return "check host and port: something else than the XML management interface (port 5550) answers there"
	case soma.OtherPin:
		return fmt.Sprintf("if the gateway has a new certificate, set tls.%s; if not, somebody else may be answering", pin)
	case soma.OtherName:
		if len(e.Names) == 0 {
			return fmt.Sprintf("the certificate names no host that could be checked: if it is the gateway's, set tls.%s in place of ca_file and server_name", pin)
		}
		return fmt.Sprintf("if it is the gateway's, set tls.server_name to a name of the certificate (%s), or set tls.%s in place of ca_file and server_name", strings.Join(e.Names[:min(len(e.Names), 5)], ", "), pin)
	case soma.Expired:
		return fmt.Sprintf("check the clock of this host, and renew the certificate on the gateway; tls.%s in place of ca_file trusts it beyond its end", pin)
	case soma.UnknownAuthority:
		if c.CAFile != "" {
			return fmt.Sprintf("tls.ca_file does not hold who signed it: if it is the gateway's, add the authority's certificate to that file, or set tls.%s in its place", pin)
		}
		return fmt.Sprintf("if this is the gateway's certificate, set tls.ca_file, or tls.%s", pin)
	}
	if e.Fingerprint != "" {
		return fmt.Sprintf("if this is the gateway's certificate, set tls.%s in place of ca_file and server_name", pin)
	}
	return "check host, port and the tls block"
}

func (c TLSConfig) versionRemedy() string {
	switch c.MinVersion {
	case "1.0":
		return "the gateway speaks no version of TLS that dprun speaks: let the SSL server profile of its management interface speak TLS 1.0 or newer"
	case "1.1":
		return "the gateway speaks older versions of TLS only: set tls.min_version = \"1.0\", or renew its firmware or SSL server profile"
	case "1.3":
		return "the gateway speaks older versions of TLS only: set tls.min_version = \"1.2\""
	}
	return "the gateway speaks older versions of TLS only: set tls.min_version = \"1.1\" or \"1.0\", or renew its firmware or SSL server profile"
}

func (c TLSConfig) cipherRemedy() string {
	const profile = "add an ECDHE or RSA cipher with AES to the SSL server profile of its management interface"
	if c.LegacyCiphers || c.MinVersion == "1.0" || c.MinVersion == "1.1" {
		return "the gateway has no cipher that dprun has, for example DHE ciphers alone: " + profile
	}
	return "the gateway has old ciphers only: set tls.legacy_ciphers = true, or " + profile
}
