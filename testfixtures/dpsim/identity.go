package dpsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// identity is a device's self-signed certificate, which can be made to be the
// wrong one while the published file stays.
type identity struct {
	name string
	key  *ecdsa.PrivateKey
	good *tls.Certificate

	mu    sync.Mutex
	shown *tls.Certificate
}

func newIdentity(name string) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of device %q: %w", name, err)
	}
	i := &identity{name: name, key: key}
	if i.good, err = i.sign(key, "localhost", time.Now().Add(10*365*24*time.Hour)); err != nil {
		return nil, err
	}
	i.shown = i.good
	return i, nil
}

// show chooses the certificate that new connections see.
func (i *identity) show(kind string) error {
	cert, err := i.good, error(nil)
	switch kind {
	case "", "valid":
	case "ending":
		if cert, err = i.sign(i.key, "localhost", time.Now().Add(10*24*time.Hour)); err == nil {
			i.good = cert // it is the one that is published
		}
	case "expired":
		cert, err = i.sign(i.key, "localhost", time.Now().Add(-24*time.Hour))
	case "wrong_host":
		cert, err = i.sign(i.key, "gateway.invalid", time.Now().Add(24*time.Hour))
	case "untrusted":
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			cert, err = i.sign(key, "localhost", time.Now().Add(24*time.Hour))
		}
	default:
		err = fmt.Errorf("tls %q is not one of valid, ending, expired, wrong_host, untrusted", kind)
	}
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.shown = cert
	return nil
}

func (i *identity) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			i.mu.Lock()
			defer i.mu.Unlock()
			return i.shown, nil
		},
		SessionTicketsDisabled: true,
	}
}

func (i *identity) sign(key *ecdsa.PrivateKey, host string, until time.Time) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("make the certificate of device %q: %w", i.name, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: i.name, Organization: []string{"dpsim"}},
		NotBefore: until.Add(-20 * 365 * 24 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{host},
	}
	if host == "localhost" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of device %q: %w", i.name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// publish writes the good certificate into dir.
func (i *identity) publish(dir string) (path string, err error) {
	path = filepath.Join(dir, "dpsim-"+i.name+".pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.good.Certificate[0]})
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", fmt.Errorf("publish the certificate of device %q: %w", i.name, err)
	}
	return path, nil
}

func (i *identity) fingerprint() string {
	sum := sha256.Sum256(i.good.Certificate[0])
	return hex.EncodeToString(sum[:])
}
