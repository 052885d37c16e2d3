package datapower_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

var oldKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const serial = 0x4711_4711

// oldCertificate makes the self-signed certificate of an appliance. Its common name is what such certificates have; names and
// addresses are up to the caller.
func oldCertificate(t *testing.T, names []string, addresses []net.IP, until time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "datapower-mgmt"}, NotBefore: until.Add(-10 * 365 * 24 * time.Hour), NotAfter: until,
		DNSNames: names, IPAddresses: addresses, IsCA: true, BasicConstraintsValid: true,
	}
	der := need.Value(x509.CreateCertificate(rand.Reader, template, template, &oldKey().PublicKey, oldKey()))(t)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: oldKey()}
}

// oldAppliance answers with status 404 to whoever comes that far.
func oldAppliance(t *testing.T, conf *tls.Config) (host string, port int) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = conf
	server.StartTLS()
	t.Cleanup(server.Close)
	address := server.Listener.Addr().(*net.TCPAddr)
	return address.IP.String(), address.Port
}

func TestAFailedConnectionNamesTheArgumentThatMendsIt(t *testing.T) {
	t.Parallel()
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	soon := time.Now().Add(24 * time.Hour)
	good := oldCertificate(t, []string{"gw.example.net"}, loopback, soon)
	nameless := oldCertificate(t, nil, nil, soon)
	negative := good
	negative.Certificate = [][]byte{bytes.Replace(good.Certificate[0], []byte{0x02, 0x04, 0x47, 0x11, 0x47, 0x11}, []byte{0x02, 0x04, 0xc7, 0x11, 0x47, 0x11}, 1)}
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	other := tls.Certificate{Certificate: [][]byte{stranger.Certificate().Raw}}
	sum := sha256.Sum256(nameless.Certificate[0])
	rsaOnly := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA}
	type block = datapower.TLSConfig
	for name, c := range map[string]struct {
		server  *tls.Config
		shown   tls.Certificate
		trusted *tls.Certificate // in ca_file; nil: shown
		block   block
		remedy  string // part of the advice; empty: it connects
	}{
		"all current":                           {&tls.Config{}, good, nil, block{}, ""},
		"RSA key exchange alone":                {&tls.Config{CipherSuites: rsaOnly, MaxVersion: tls.VersionTLS12}, good, nil, block{}, "set tls.legacy_ciphers = true"},
		"RSA key exchange alone, legacy":        {&tls.Config{CipherSuites: rsaOnly, MaxVersion: tls.VersionTLS12}, good, nil, block{LegacyCiphers: true}, ""},
		"TLS 1.0 alone":                         {&tls.Config{CipherSuites: rsaOnly, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, good, nil, block{}, `set tls.min_version = "1.1" or "1.0"`},
		"TLS 1.0 alone, 1.1 is set":             {&tls.Config{CipherSuites: rsaOnly, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, good, nil, block{MinVersion: "1.1"}, `set tls.min_version = "1.0"`},
		"TLS 1.0 alone, 1.0 is set":             {&tls.Config{CipherSuites: rsaOnly, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, good, nil, block{MinVersion: "1.0"}, ""},
		"TLS 1.2 alone, 1.3 is set":             {&tls.Config{MaxVersion: tls.VersionTLS12}, good, nil, block{MinVersion: "1.3"}, `set tls.min_version = "1.2"`},
		"ciphers that dprun never has, legacy":  {&tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}, MaxVersion: tls.VersionTLS12}, good, nil, block{LegacyCiphers: true}, "may have only DHE ciphers: add an ECDHE or RSA cipher"},
		"a common name alone":                   {&tls.Config{}, nameless, nil, block{}, "names no host to check: if it is the gateway's, set tls.fingerprint_sha256 = \"" + hex.EncodeToString(sum[:]) + "\" in place of ca_file"},
		"a common name alone, pinned":           {&tls.Config{}, nameless, nil, block{Fingerprint: hex.EncodeToString(sum[:])}, ""},
		"another name":                          {&tls.Config{}, oldCertificate(t, []string{"gw.example.net"}, nil, soon), nil, block{}, "set tls.server_name to a name of the certificate (gw.example.net)"},
		"another name, server_name is set":      {&tls.Config{}, oldCertificate(t, []string{"gw.example.net"}, nil, soon), nil, block{ServerName: "gw.example.net"}, ""},
		"another authority than that in a file": {&tls.Config{}, good, &other, block{}, "tls.ca_file does not hold the authority that signed it"},
		"expired":                               {&tls.Config{}, oldCertificate(t, nil, loopback, time.Now().Add(-time.Hour)), nil, block{}, "renew the certificate on the gateway"},
		"a negative serial number":              {&tls.Config{}, negative, nil, block{}, ""},
		"a certificate is asked for":            {&tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}, good, nil, block{}, "switch client authentication off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := c.server.Clone()
			server.Certificates = []tls.Certificate{c.shown}
			host, port := oldAppliance(t, server)
			if c.block.Fingerprint == "" {
				trusted := c.shown
				if c.trusted != nil {
					trusted = *c.trusted
				}
				c.block.CAFile = filepath.Join(t.TempDir(), "ca.pem")
				need.Done(t, os.WriteFile(c.block.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate[0]}), 0o600))
			}
			if c.block.MinVersion == "" {
				c.block.MinVersion = "1.2"
			}
			s, err := datapower.Configure(datapower.Config{Host: host, Port: port, Username: "u", Password: "p", Path: "/x", ConnectTimeout: time.Minute, TLS: &c.block}, sdk.Env{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			_, err = s.Inspect(testContext(t), everyDomain)
			f, ok := errors.AsType[*failure.Error](err)
			switch {
			case !ok:
				t.Errorf("got %v", err)
			case c.remedy == "" && f.Reason != failure.BadReply:
				t.Errorf("it does not connect: %v", f)
			case c.remedy != "" && (f.Reason != failure.BadCertificate || f.Kind != failure.Denied || !strings.Contains(f.Remedy, c.remedy)):
				t.Errorf("%s/%s: %v\nwant the advice %q", f.Kind, f.Reason, f, c.remedy)
			}
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(server.Close)
		address := server.Listener.Addr().(*net.TCPAddr)
		s, err := datapower.Configure(datapower.Config{Host: address.IP.String(), Port: address.Port, Username: "u", Password: "p", Path: "/x", ConnectTimeout: time.Minute}, sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Inspect(testContext(t), everyDomain); err == nil || !strings.Contains(err.Error(), "something other than the XML management interface (port 5550)") {
			t.Errorf("port %s: %v", strconv.Itoa(address.Port), err)
		}
	})
}
