// Package recipient reads the public keys of age for which files are encrypted.
package recipient

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

// Recipient is a public key for which files are encrypted.
type Recipient struct {
	age.Recipient
	// Text is the key as it is written, without the comment of an SSH key.
	Text string
	// PostQuantum keys must not be mixed with others: somebody who can break the others
	// would not need this one.
	PostQuantum bool
}

// Secret reports whether a text is or contains a secret key of age or SSH.
func Secret(text string) bool {
	upper := strings.ToUpper(text)
	return strings.Contains(upper, "AGE-SECRET-KEY-") || strings.Contains(upper, "AGE-PLUGIN-") || strings.Contains(upper, "PRIVATE KEY")
}

// Parse reads a recipient: age1…, age1pq1…, ssh-ed25519 … or ssh-rsa …. Its error
// says what to give instead. The error never quotes the text, which may be a secret.
func Parse(text string) (Recipient, error) {
	text = strings.TrimSpace(text)
	if Secret(text) {
		return Recipient{}, errors.New("this is a secret key: give the public key, which age-keygen -y prints")
	}
	kind, _, _ := strings.Cut(text, " ")
	switch {
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return Recipient{}, damaged()
		}
		return Recipient{r, r.String(), true}, nil
	case strings.HasPrefix(text, "age1") && strings.Contains(text[len("age1"):], "1"): // the key itself has no 1, so a plugin's name comes before it
		return Recipient{}, errors.New("this recipient needs a plugin of age, and dprun could not decrypt files that are encrypted for it: give the recipient that age-keygen prints, which begins with age1")
	case strings.HasPrefix(text, "age1"):
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return Recipient{}, damaged()
		}
		return Recipient{r, r.String(), false}, nil
	case kind == "ssh-ed25519", kind == "ssh-rsa":
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil || len(options) > 0 || len(rest) > 0 {
			return Recipient{}, damaged()
		}
		text = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		r, err := agessh.ParseRecipient(text)
		if err != nil {
			return Recipient{}, errors.New("this SSH key cannot be used: an RSA key needs at least 2048 bits; give a key that age-keygen makes")
		}
		return Recipient{r, text, false}, nil
	case strings.HasPrefix(kind, "ssh-"), strings.HasPrefix(kind, "ecdsa-"), strings.HasPrefix(kind, "sk-"):
		return Recipient{}, errors.New("age encrypts for SSH keys of the types ssh-ed25519 and ssh-rsa only: give one of these, or a key that age-keygen makes")
	}
	return Recipient{}, errors.New("this is not a recipient: give the public key that age-keygen prints, which begins with age1, or an SSH key, which begins with ssh-ed25519 or ssh-rsa")
}

func damaged() error {
	return errors.New("this recipient is damaged: a part of it is missing or mistyped; copy all of it")
}

// Set is a list of recipients. Each of them can open what is encrypted for the
// set.
type Set []Recipient

// ParseSet reads recipients that were checked before.
func ParseSet(texts []string) (Set, error) {
	var out Set
	for _, t := range texts {
		r, err := Parse(t)
		if err != nil {
			return nil, fmt.Errorf("recipient %d: %w", len(out)+1, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// Ages returns the recipients as package age takes them.
func (s Set) Ages() []age.Recipient {
	out := make([]age.Recipient, len(s))
	for i, r := range s {
		out[i] = r.Recipient
	}
	return out
}

// Key returns the same text for the same recipients in any order.
func (s Set) Key() string {
	texts := make([]string, len(s))
	for i, r := range s {
		texts[i] = r.Text
	}
	slices.Sort(texts)
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(sum[:8])
}

// Fingerprints returns the fingerprints of the recipients, in their order.
func (s Set) Fingerprints() []string {
	out := make([]string, len(s))
	for i, r := range s {
		out[i] = r.Fingerprint()
	}
	return out
}

// Fingerprint names the recipient in a manifest. An age1… key is short enough to stand
// for itself; an SSH key has the name that ssh-keygen -l shows, and a post-quantum key
// its SHA-256.
func (r Recipient) Fingerprint() string {
	kind, key, isSSH := strings.Cut(r.Text, " ")
	switch {
	case isSSH:
		raw, _ := base64.StdEncoding.DecodeString(key) // Parse has marshalled it
		sum := sha256.Sum256(raw)
		return kind + " SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
	case r.PostQuantum:
		sum := sha256.Sum256([]byte(r.Text))
		return "age1pq1 SHA256:" + hex.EncodeToString(sum[:])
	}
	return r.Text
}
