package sftp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the form of hashed names in known_hosts
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// knownHosts is a known_hosts file, read the way OpenSSH reads it: lines that
// cannot be read are skipped, no matter which server they are about.
type knownHosts struct {
	lines   []knownLine
	skipped []string // skipped lines, each described in one line
}

// The markers of lines.
const (
	markAuthority = "@cert-authority"
	markRevoked   = "@revoked"
)

type knownLine struct {
	number int
	marker string
	hosts  []string // patterns, or hashed names
	key    ssh.PublicKey
}

func readKnownHosts(file string) (*knownHosts, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	k := &knownHosts{}
	for i, text := range strings.Split(string(b), "\n") {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		line, err := parseKnownLine(text)
		if err != nil {
			k.skipped = append(k.skipped, fmt.Sprintf("line %d of %s is skipped: %v", i+1, file, err))
			continue
		}
		line.number = i + 1
		k.lines = append(k.lines, line)
	}
	return k, nil
}

func parseKnownLine(text string) (knownLine, error) {
	var l knownLine
	fields := strings.Fields(text)
	if strings.HasPrefix(fields[0], "@") {
		l.marker, fields = fields[0], fields[1:]
		if l.marker != markAuthority && l.marker != markRevoked {
			return l, fmt.Errorf("the marker %q is not known", l.marker)
		}
	}
	if len(fields) < 3 {
		return l, fmt.Errorf("it holds no key")
	}
	l.hosts = strings.Split(fields[0], ",")
	for _, h := range l.hosts {
		if strings.HasPrefix(h, "|") {
			if _, _, err := hashedName(h); err != nil {
				return l, err
			}
		}
	}
	if _, err := strconv.Atoi(fields[1]); err == nil {
		return l, fmt.Errorf("it holds a key of SSH version 1")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return l, fmt.Errorf("its key of type %s cannot be read", fields[1])
	}
	if l.key, err = ssh.ParsePublicKey(blob); err != nil || l.key.Type() != fields[1] {
		return l, fmt.Errorf("its key of type %s cannot be read or is of a type that is not supported", fields[1])
	}
	return l, nil
}

// hashedName splits "|1|SALT|HASH".
func hashedName(s string) (salt, hash []byte, err error) {
	parts := strings.Split(s, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return nil, nil, fmt.Errorf("its hashed name cannot be read")
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	hash, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(hash) != sha1.Size {
		return nil, nil, fmt.Errorf("its hashed name cannot be read")
	}
	return salt, hash, nil
}

// names returns the names under which a server may be listed: with its port
// and, as a fallback, without it.
func names(host string, port int) []string {
	host = strings.ToLower(host)
	if port == 22 {
		return []string{host}
	}
	return []string{"[" + host + "]:" + strconv.Itoa(port), host}
}

// of returns the lines about a name that have a marker.
func (k *knownHosts) of(name, marker string) []knownLine {
	var out []knownLine
	for _, l := range k.lines {
		if l.marker == marker && l.matches(name) {
			out = append(out, l)
		}
	}
	return out
}

func (l *knownLine) matches(name string) bool {
	found := false
	for _, pattern := range l.hosts {
		if strings.HasPrefix(pattern, "|") {
			salt, hash, err := hashedName(pattern)
			mac := hmac.New(sha1.New, salt)
			mac.Write([]byte(name))
			found = found || err == nil && hmac.Equal(mac.Sum(nil), hash)
			continue
		}
		pattern, not := strings.CutPrefix(strings.ToLower(pattern), "!")
		if glob(pattern, name) {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

// glob matches * and ?.
func glob(pattern, s string) bool {
	star, from := -1, 0 // position of the last *, and of the text that it has not matched yet
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// standing says what a file says about a key that a server shows.
type standing int

const (
	unknown standing = iota
	known
	changed
	revoked
)

// verdict is a standing with the lines that it follows from.
type verdict struct {
	standing
	lines   []knownLine
	invalid error // why a certificate with a known authority is invalid
}

// judge says what the file says about a key. If no line names the server with
// its port, lines with the server alone count.
func (k *knownHosts) judge(host string, port int, key ssh.PublicKey) verdict {
	for _, name := range names(host, port) {
		if hit := k.revokes(name, key); hit != nil {
			return verdict{standing: revoked, lines: hit}
		}
	}
	var first verdict
	for i, name := range names(host, port) {
		v := k.judgeName(name, host, key)
		switch {
		case v.standing == known:
			return v
		case i == 0:
			first = v
		case first.invalid == nil:
			first.invalid = v.invalid
		}
		if v.standing == changed {
			break
		}
	}
	return first
}

// revokes returns the lines that revoke a key, or the key or authority of a certificate.
func (k *knownHosts) revokes(name string, key ssh.PublicKey) []knownLine {
	keys := []ssh.PublicKey{key}
	if cert, ok := key.(*ssh.Certificate); ok {
		keys = append(keys, cert.Key, cert.SignatureKey)
	}
	for _, l := range k.of(name, markRevoked) {
		if slices.ContainsFunc(keys, func(key ssh.PublicKey) bool { return sameKey(key, l.key) }) {
			return []knownLine{l}
		}
	}
	return nil
}

func (k *knownHosts) judgeName(name, host string, key ssh.PublicKey) verdict {
	var v verdict
	if cert, ok := key.(*ssh.Certificate); ok {
		for _, l := range k.of(name, markAuthority) {
			if sameKey(l.key, cert.SignatureKey) {
				if v.invalid = checkHostCertificate(cert, host); v.invalid == nil {
					return verdict{standing: known, lines: []knownLine{l}}
				}
			}
		}
		key = cert.Key // its key may be listed
	}
	for _, l := range k.of(name, "") {
		switch {
		case sameKey(l.key, key):
			return verdict{standing: known, lines: []knownLine{l}}
		case l.key.Type() == key.Type():
			v.standing, v.lines = changed, append(v.lines, l)
		}
	}
	return v
}

// checkHostCertificate checks everything except who signed the certificate. The names in it may hold wildcards.
func checkHostCertificate(cert *ssh.Certificate, host string) error {
	if cert.CertType != ssh.HostCert {
		return fmt.Errorf("it is not a certificate for a host")
	}
	principal := host
	for _, p := range cert.ValidPrincipals {
		if glob(strings.ToLower(p), strings.ToLower(host)) {
			principal = p
		}
	}
	return (&ssh.CertChecker{}).CheckCert(principal, cert)
}

// certAlgorithms are the supported kinds of certificates.
var certAlgorithms = []string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
}

// algorithms returns the kinds of keys that the file holds for the server, to
// restrict the negotiation. Otherwise a server with several keys may show one that
// is not in the file, which looks like a changed key. Nil: the server is unknown.
func (k *knownHosts) algorithms(host string, port int) []string {
	var out []string
	for _, name := range names(host, port) {
		if len(out) == 0 && len(k.of(name, markAuthority)) > 0 {
			out = append(out, certAlgorithms...)
		}
		for _, l := range k.of(name, "") {
			of := []string{l.key.Type()}
			if l.key.Type() == ssh.KeyAlgoRSA {
				of = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
			}
			for _, a := range of {
				if !slices.Contains(out, a) {
					out = append(out, a)
				}
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}
