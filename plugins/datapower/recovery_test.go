package datapower_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
		{"the one that is kept", "", sum, file, "", []string{"ok backup", "ok backup", "ok backup"}},
		{"another one", "", "00ff", file, failure.CertificateDown, []string{"error backup", "ok backup"}},
		{"no fingerprint", "", "", file, failure.CertificateDown, []string{"not_proven backup", "ok backup", "ok backup"}},
		{"firmware that tells nothing", "IDG.7.5", sum, file, failure.DeviceError, []string{"not_proven backup"}},
		{"a key of ECDSA", "", ecSum, ecFile, failure.CertificateDown, []string{"error backup", "ok backup"}},
		{"no certificate in the file", "", sum, noCertificate, failure.BadConfig, []string{"error backup", "ok backup"}},
		{"nothing kept", "", "00ff", "", "", []string{"not_proven backup", "ok backup"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{Firmware: c.firmware, Certificates: []dpsim.Certificate{{Name: "backup", Fingerprint: c.has}}})
			set := map[string]string{"certificate": "backup", "recovery_proven": time.Now().Format(time.DateOnly)}
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

// The plan pins whose key brings the backups back, and when that was last proven.
func TestAProofOfThePrivateKeyGrowsOld(t *testing.T) {
	t.Parallel()
	file, sum := kept(t, rsaKey())
	block, _ := pem.Decode(need.Value(os.ReadFile(file))(t)[len("a comment\n"):])
	pin := fmt.Sprintf("%X", sha256.Sum256(block.Bytes))
	day := func(n int) string { return time.Now().AddDate(0, 0, n).Format(time.DateOnly) }
	for what, c := range map[string]struct {
		fingerprint, proven string
		found               []string
		refused             bool
	}{
		"proven today":        {pin, day(0), []string{"ok backup", "ok backup", "ok backup"}, false},
		"proven long ago":     {"", day(-102), []string{"ok backup", "ok backup", "warning backup"}, false},
		"never proven":        {pin, "", []string{"not_proven backup", "ok backup", "ok backup"}, false},
		"a date to come":      {"", day(3), []string{"ok backup", "ok backup", "warning backup"}, false},
		"another certificate": {strings.Repeat("00", 32), day(0), []string{"error backup", "ok backup"}, true},
	} {
		g := newGateway(t, dpsim.Device{Certificates: []dpsim.Certificate{{Name: "backup", Fingerprint: sum}}})
		set := map[string]string{"certificate": "backup", "recovery_certificate": file, "recovery_custodian": "the vault team"}
		for name, v := range map[string]string{"recovery_fingerprint": c.fingerprint, "recovery_proven": c.proven} {
			if v != "" {
				set[name] = v
			}
		}
		found := worth(g.preflight(securing(set)), "certificate", true)
		slices.Sort(found)
		if diff := cmp.Diff(c.found, found); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", what, diff)
		}
		_, err := g.Check(testContext(t), sdk.CheckRequest{Activity: secureBackup, Config: config(secureBackup, set)})
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", what, err)
		}
	}
}
