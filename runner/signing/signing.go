// Package signing signs what dprun writes and verifies who signed what it reads.
// Signatures have the form of `ssh-keygen -Y` (OpenSSH's PROTOCOL.sshsig), so that
// OpenSSH can verify them without dprun. The package reads no files and no clock.
package signing

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Suffix is the ending of the name of a signature beside its file.
const Suffix = ".sig"

// MaxSignature is the greatest size of a signature, in bytes.
const MaxSignature = 64 << 10

// Namespaces say what a signature is for: the signature of a manifest is not valid for
// a record.
const (
	Manifest = "dprun-manifest"
	Run      = "dprun-run"
)

// Keys sign, and know whose signatures count. Nil keys do neither.
type Keys struct {
	signer  ssh.Signer // nil: they do not sign
	trusted []allowed
	broken  error
}

// New reads a private key as `ssh-keygen` writes it, with its passphrase (empty: it has
// none), and the text of an allowed_signers file. Key and text may be empty. Signatures
// of the key itself always count.
func New(key, passphrase, allowedSigners string) (*Keys, error) {
	k := &Keys{}
	var err error
	if k.trusted, err = parse(allowedSigners); err != nil {
		return nil, err
	}
	if key == "" {
		return k, nil
	}
	if passphrase != "" {
		k.signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(key), []byte(passphrase))
	} else {
		k.signer, err = ssh.ParsePrivateKey([]byte(key))
	}
	if missing := new(ssh.PassphraseMissingError); errors.As(err, &missing) {
		return nil, errors.New("the key of `signing` has a passphrase; give it as `passphrase`")
	}
	if err != nil { // the library's errors reveal nothing about the key
		return nil, fmt.Errorf("the key of `signing` is no private key that can be used: %w; make one with `ssh-keygen -t ed25519 -f FILE`", err)
	}
	k.trusted = append(k.trusted, allowed{principals: []string{"*"}, key: k.signer.PublicKey().Marshal()})
	return k, nil
}

// Broken returns keys that should sign but cannot: every signature fails with why.
func Broken(why error) *Keys { return &Keys{broken: why} }

// Signs reports whether the keys sign.
func (k *Keys) Signs() bool { return k != nil && (k.signer != nil || k.broken != nil) }

// Sign signs a text. One key always makes the same signature for a text, so that
// storing a file again does not change it.
func (k *Keys) Sign(namespace string, text []byte) ([]byte, error) {
	if k.broken != nil {
		return nil, k.broken
	}
	// The signature uses no random numbers: ECDSA derives its nonce from key and text
	// (RFC 6979), and the other kinds need none.
	s, err := sshsig.SignWithRand(bytes.NewReader(text), nil, k.signer, sshsig.HashSHA512, namespace)
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", ssh.FingerprintSHA256(k.signer.PublicKey()), err)
	}
	return sshsig.Armor(s), nil
}

// Verdict is what a signature proves.
type Verdict struct {
	Trusted bool   `json:"trusted"`       // a key signed exactly this, and its signatures count
	Key     string `json:"key,omitempty"` // the fingerprint of the key that the signature names
	Signer  string `json:"signer,omitempty"`
	Why     string `json:"why,omitempty"` // why it is not trusted
	Genuine bool   `json:"-"`             // the holder of the key has signed exactly this
}

// Check reports whether a signature of a text counts. The keys must be valid at the
// given time. An empty signature does not count.
func (k *Keys) Check(namespace string, text, signature []byte, at time.Time) Verdict {
	if len(signature) == 0 {
		return Verdict{Why: "it is not signed"}
	}
	s, err := sshsig.Unarmor(signature)
	if err != nil {
		return Verdict{Why: "its signature cannot be read: " + err.Error()}
	}
	v := Verdict{Key: ssh.FingerprintSHA256(s.PublicKey)}
	if s.Namespace != namespace {
		v.Why = fmt.Sprintf("its signature is meant for something else: its namespace is %q, not %q", s.Namespace, namespace)
		return v
	}
	if err := sshsig.Verify(bytes.NewReader(text), s, s.PublicKey, s.HashAlgorithm, namespace); err != nil {
		v.Why = "its signature is not one of what it says"
		return v
	}
	v.Genuine = true
	if !k.Trusts() {
		v.Why = "nobody's signature counts: name the keys that do as `allowed_signers`"
		return v
	}
	v.Why = "its signature is by a key that is not among the allowed signers"
	for _, a := range k.trusted {
		if !bytes.Equal(a.key, s.PublicKey.Marshal()) {
			continue
		}
		if why := a.refuses(namespace, at); why != "" {
			v.Why = why
			continue
		}
		return Verdict{Trusted: true, Key: v.Key, Signer: a.principals[0], Genuine: true}
	}
	return v
}

// Trusts reports whether anybody's signatures count.
func (k *Keys) Trusts() bool { return k != nil && len(k.trusted) > 0 }
