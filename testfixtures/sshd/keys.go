package sshd

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// WriteUserKey makes a key that may log in, and the file of authorized keys that lists it.
func WriteUserKey(private, authorized string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	public, err := writePrivate(key, private)
	if err != nil {
		return err
	}
	return os.WriteFile(authorized, ssh.MarshalAuthorizedKey(public), 0o644)
}

// WriteHostKey makes a host key of a type at path, and its public half at path.pub.
func WriteHostKey(typ, path string) error {
	var key crypto.Signer
	var err error
	switch typ {
	case ED25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case RSA:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("make a host key: type %q is not known", typ)
	}
	if err != nil {
		return err
	}
	public, err := writePrivate(key, path)
	if err != nil {
		return err
	}
	return os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(public), 0o644)
}

func writePrivate(key crypto.Signer, path string) (ssh.PublicKey, error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(key.Public())
}

// KnownHost returns the known_hosts line for the server's host key of a type.
func (s *Server) KnownHost(typ string) (string, error) {
	public, err := os.ReadFile(s.path("host_" + typ + ".pub"))
	if err != nil {
		return "", err
	}
	return "[" + s.Host + "]:" + strconv.Itoa(s.Port) + " " + string(public), nil
}

// Fingerprint returns the SHA-256 fingerprint of the server's host key of a
// type, as ssh-keygen -l prints it.
func (s *Server) Fingerprint(typ string) (string, error) {
	public, err := os.ReadFile(s.path("host_" + typ + ".pub"))
	if err != nil {
		return "", err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		return "", err
	}
	return ssh.FingerprintSHA256(key), nil
}

func (s *Server) writeKnownHosts(types []string) error {
	var b strings.Builder
	for _, typ := range types {
		line, err := s.KnownHost(typ)
		if err != nil {
			return err
		}
		b.WriteString(line)
	}
	return os.WriteFile(s.KnownHosts, []byte(b.String()), 0o644)
}

// URL names the served directory as a person does.
func (s *Server) URL() string { return "sftp://" + s.Addr + s.Dir }
