package datapower_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// kept makes the file of a certificate, and its SHA-1 in hexadecimal.
func kept(t *testing.T, key crypto.Signer) (file, sum string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7)}
	der := need.Value(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	file = filepath.Join(t.TempDir(), "recovery.pem")
	text := append([]byte("a comment\n"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	need.Done(t, os.WriteFile(file, text, 0o600))
	hash := sha1.Sum(der)
	return file, hex.EncodeToString(hash[:])
}

var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// A secure backup is made, and a preflight content, only with the certificate whose private key is kept.
func TestASecureBackupIsForTheCertificateThatIsKept(t *testing.T) {
	t.Parallel()
	file, sum := kept(t, rsaKey())
	ec := need.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	ecFile, ecSum := kept(t, ec)
	noCertificate := filepath.Join(t.TempDir(), "empty.pem")
	need.Done(t, os.WriteFile(noCertificate, []byte("no certificate"), 0o600))
	for _, c := range []struct {
		name     string
		firmware string
		has      string // fingerprint on the gateway
		file     string
		reason   failure.Reason
		found    []string
	}{
		{"the one that is kept", "", sum, file, "", []string{"ok backup", "ok backup"}},
		{"another one", "", "00ff", file, failure.CertificateDown, []string{"error backup", "ok backup"}},
		{"no fingerprint", "", "", file, failure.CertificateDown, []string{"not_proven backup", "ok backup"}},
		{"firmware that tells nothing", "IDG.7.5", sum, file, failure.DeviceError, []string{"not_proven backup"}},
		{"a key of ECDSA", "", ecSum, ecFile, failure.CertificateDown, []string{"error backup", "ok backup"}},
		{"no certificate in the file", "", sum, noCertificate, failure.BadConfig, []string{"error backup", "ok backup"}},
		{"nothing kept", "", "00ff", "", "", []string{"not_proven backup", "ok backup"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{Firmware: c.firmware, Certificates: []dpsim.Certificate{{Name: "backup", Fingerprint: c.has}}})
			set := map[string]string{"certificate": "backup"}
			if c.file != "" {
				set["recovery_certificate"] = c.file
			}
			if diff := cmp.Diff(c.found, worth(g.preflight(securing(set)), "certificate", true)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			_, err := g.Check(testContext(t), sdk.CheckRequest{Activity: secureBackup, Config: config(secureBackup, set)})
			switch {
			case c.reason != "":
				wantFailure(t, failure.CallCheck, err, failure.Precondition, c.reason)
			case err != nil:
				t.Error(err)
			}
		})
	}
}
