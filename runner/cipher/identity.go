package cipher

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/runner/backups"
)

// Identities are secret keys. They stay in memory and are never printed.
type Identities struct {
	list   []age.Identity
	opened map[string]bool // by the fingerprint of the recipient
}

// Opens reports whether one of the identities opens files that are encrypted for
// recipients with these fingerprints (see [recipient.Recipient.Fingerprint]).
func (i *Identities) Opens(fingerprints []string) bool {
	return i != nil && slices.ContainsFunc(fingerprints, func(f string) bool { return i.opened[f] })
}

// OpenAll reports whether the identities open every file of a copy, according to the
// recipients in its manifest. Files that are not encrypted need no identity.
func (i *Identities) OpenAll(c backups.Copy) bool {
	return !slices.ContainsFunc(c.Files, func(f backups.File) bool {
		return f.Encrypted != nil && !i.Opens(f.Encrypted.Recipients)
	})
}

// maxIdentity is the greatest size of a file of identities, in bytes.
const maxIdentity = 1 << 20

// Read reads files of identities: those that age-keygen makes, also if they are
// encrypted with a passphrase, and SSH private keys. ask asks a person for the
// passphrase of a file; nil: nobody can be asked. Errors never quote the content of a
// file.
func Read(files []string, ask func(file string) ([]byte, error)) (*Identities, error) {
	out := &Identities{opened: map[string]bool{}}
	for _, file := range files {
		if err := out.read(file, ask); err != nil {
			return nil, fmt.Errorf("read identity %s: %w", file, err)
		}
	}
	return out, nil
}

func (i *Identities) read(file string, ask func(string) ([]byte, error)) error {
	f, err := os.Open(file)
	if err != nil {
		return plainly(err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	body, err := io.ReadAll(io.LimitReader(f, maxIdentity+1))
	switch {
	case err != nil:
		return plainly(err)
	case len(body) > maxIdentity:
		return errors.New("it is too long to be one")
	}
	passphrase := func() ([]byte, error) {
		if ask == nil {
			return nil, errors.New("it needs a passphrase, and there is no terminal to ask for it: run the command on a terminal, or give an identity without a passphrase")
		}
		return ask(file)
	}
	switch {
	case bytes.HasPrefix(body, []byte("age-encryption.org/")), bytes.HasPrefix(body, []byte(armor.Header)):
		return i.encrypted(body, passphrase)
	case bytes.HasPrefix(body, []byte("-----BEGIN")):
		return i.ssh(body, passphrase)
	}
	return i.native(body)
}

// plainly returns an error about a file without the file's name, because the message
// names it already.
func plainly(err error) error {
	if p := new(os.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// native reads a file that age-keygen made.
func (i *Identities) native(body []byte) error {
	lines, found := bufio.NewScanner(bytes.NewReader(body)), 0
	lines.Buffer(nil, maxIdentity)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "AGE-PLUGIN-") {
			return fmt.Errorf("line %d is of a plugin of age, which dprun does not start: fetch with --encrypted, and decrypt with `age -d -i FILE`", n)
		}
		if _, err := recipient.Parse(line); err == nil {
			return fmt.Errorf("line %d is a public key: give the file with the secret key, which begins with AGE-SECRET-KEY-", n)
		}
		ids, err := age.ParseIdentities(strings.NewReader(line))
		if err != nil {
			return fmt.Errorf("line %d is no secret key of age: give the file that age-keygen made, or an SSH private key", n)
		}
		var public string
		switch id := ids[0].(type) {
		case *age.X25519Identity:
			public = id.Recipient().String()
		case *age.HybridIdentity:
			public = id.Recipient().String()
		}
		if err := i.add(ids[0], public); err != nil {
			return err
		}
		found++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if found == 0 {
		return errors.New("it holds no secret key")
	}
	return nil
}

// add adds an identity with its public key.
func (i *Identities) add(id age.Identity, public string) error {
	r, err := recipient.Parse(public)
	if err != nil {
		return err
	}
	i.list = append(i.list, id)
	i.opened[r.Fingerprint()] = true
	return nil
}

// encrypted reads a file of identities that is encrypted with a passphrase.
func (i *Identities) encrypted(body []byte, passphrase func() ([]byte, error)) error {
	given, err := passphrase()
	if err != nil {
		return err
	}
	secret, err := age.NewScryptIdentity(string(given))
	if err != nil {
		return errors.New("the passphrase is empty")
	}
	var from io.Reader = bytes.NewReader(body)
	if bytes.HasPrefix(body, []byte(armor.Header)) {
		from = armor.NewReader(from)
	}
	r, err := age.Decrypt(from, secret)
	if err != nil {
		return errors.New("it is not opened by this passphrase, or is not encrypted with one")
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxIdentity))
	if err != nil {
		return errors.New("it is damaged")
	}
	return i.native(plain)
}

// ssh reads an SSH private key.
func (i *Identities) ssh(body []byte, passphrase func() ([]byte, error)) error {
	key, err := ssh.ParseRawPrivateKey(body)
	if missing := new(ssh.PassphraseMissingError); errors.As(err, &missing) {
		given, asked := passphrase()
		if asked != nil {
			return asked
		}
		if key, err = ssh.ParseRawPrivateKeyWithPassphrase(body, given); err != nil {
			return errors.New("it is not opened by this passphrase")
		}
	}
	if err != nil {
		return errors.New("it is no SSH private key that can be read")
	}
	var id age.Identity
	switch key := key.(type) {
	case *ed25519.PrivateKey:
		id, err = agessh.NewEd25519Identity(*key)
	case ed25519.PrivateKey: // from PKCS #8
		id, err = agessh.NewEd25519Identity(key)
	case *rsa.PrivateKey:
		id, err = agessh.NewRSAIdentity(key)
	default:
		err = errors.New("wrong type")
	}
	if err != nil {
		return errors.New("age opens nothing with this SSH key: it is neither of type ed25519 nor RSA")
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	return i.add(id, string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}
