package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// allowed is one line of an allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS).
type allowed struct {
	principals    []string
	key           []byte   // in wire form
	namespaces    []string // patterns; nil: every namespace
	after, before time.Time
}

// refuses returns the reason why a signature of the key does not count here and at that
// time.
func (a allowed) refuses(namespace string, at time.Time) string {
	switch {
	case a.namespaces != nil && !inNamespaces(a.namespaces, namespace):
		return fmt.Sprintf("its signature is by a key that is not allowed for namespace %q", namespace)
	case !a.after.IsZero() && at.Before(a.after), !a.before.IsZero() && at.After(a.before):
		return "its signature is by a key that was not valid at " + at.UTC().Format(time.RFC3339)
	}
	return ""
}

// inNamespaces matches a list of patterns as OpenSSH does. Only * and ? are special. A
// pattern that begins with ! and matches excludes what other patterns allow.
func inNamespaces(patterns []string, namespace string) bool {
	in := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		is, err := path.Match(strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(p), namespace)
		if err != nil || !is {
			continue
		}
		if not {
			return false
		}
		in = true
	}
	return in
}

// parse reads an allowed_signers file. A line with only a public key is valid too, for
// every principal.
func parse(text string) (out []allowed, err error) {
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		a, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the allowed signers: %w; a line is NAME KEYTYPE KEY, such as `backup@example.com ssh-ed25519 AAAA…`", n+1, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func parseLine(line string) (allowed, error) {
	fields, err := words(line)
	if err != nil {
		return allowed{}, err
	}
	a := allowed{principals: []string{"*"}}
	if !isKeyType(fields[0]) {
		a.principals, fields = strings.Split(fields[0], ","), fields[1:]
	}
	if len(fields) > 0 && !isKeyType(fields[0]) {
		if err := a.options(fields[0]); err != nil {
			return a, err
		}
		fields = fields[1:]
	}
	if len(fields) < 2 || !isKeyType(fields[0]) {
		return a, errors.New("there is no public key (the lines of a file are written file(\"PATH\"))")
	}
	wire, err := base64.StdEncoding.DecodeString(fields[1])
	if err == nil {
		_, err = ssh.ParsePublicKey(wire)
	}
	if err != nil {
		return a, fmt.Errorf("its public key cannot be read: %w", err)
	}
	a.key = wire
	return a, nil
}

func isKeyType(word string) bool {
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-") || strings.HasPrefix(word, "sk-")
}

// words splits a line at blanks outside quotes, and keeps the quotes.
func words(line string) (out []string, err error) {
	quoted := false
	out = strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
	if quoted {
		return nil, errors.New("a quote does not end")
	}
	return out, nil
}

// options reads the options between the names and the key. An option that limits what
// the key may do must not be overlooked, so an unknown option is an error.
func (a *allowed) options(text string) (err error) {
	quoted := false
	for _, option := range strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && r == ','
	}) {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			a.namespaces = strings.Split(value, ",")
		case "valid-after":
			a.after, err = parseTime(value)
		case "valid-before":
			a.before, err = parseTime(value)
		case "cert-authority":
			err = errors.New("certificates (cert-authority) are not supported; write the keys themselves")
		default:
			err = fmt.Errorf("the option %q is not known", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseTime reads YYYYMMDD[HHMM[SS]][Z], which is local time without the Z.
func parseTime(text string) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			return time.ParseInLocation(layout, digits, zone)
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time of the form YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS", text)
}
