package cipher_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/testfixtures/need"
)

// written writes a file and gives its name.
func written(t *testing.T, body []byte) string {
	name := filepath.Join(t.TempDir(), "identity")
	need.Done(t, os.WriteFile(name, body, 0o600))
	return name
}

// locked encrypts an identity with a passphrase, as `age -p` does.
func locked(t *testing.T, identity, passphrase string, armored bool) []byte {
	r := need.Value(age.NewScryptRecipient(passphrase))(t)
	r.SetWorkFactor(2)
	var out bytes.Buffer
	var to io.WriteCloser = struct {
		io.Writer
		io.Closer
	}{&out, io.NopCloser(nil)}
	if armored {
		to = armor.NewWriter(&out)
	}
	w := need.Value(age.Encrypt(to, r))(t)
	need.Value(io.WriteString(w, identity))(t)
	need.Done(t, errors.Join(w.Close(), to.Close()))
	return out.Bytes()
}

// keygen has ssh-keygen make a key with a passphrase. One round of its derivation is enough here.
func keygen(t *testing.T) (public string, private []byte) {
	name := filepath.Join(t.TempDir(), "key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", "correct horse", "-f", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(need.Value(os.ReadFile(name + ".pub"))(t)), need.Value(os.ReadFile(name))(t)
}

func TestWhatIsEncryptedForSomebodyIsOpenedByThatIdentity(t *testing.T) {
	t.Parallel()
	native := need.Value(age.GenerateX25519Identity())(t)
	quantum := need.Value(age.GenerateHybridIdentity())(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	need.Done(t, err)
	sshKey := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(need.Value(ssh.NewPublicKey(public))(t))))
	open := pem.EncodeToMemory(need.Value(ssh.MarshalPrivateKey(private, ""))(t))
	pkcs8 := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: need.Value(x509.MarshalPKCS8PrivateKey(private))(t)})
	lockedKey, closed := keygen(t)
	other := need.Value(cipher.Read([]string{written(t, []byte(need.Value(age.GenerateX25519Identity())(t).String()))}, nil))(t)
	ask := func(string) ([]byte, error) { return []byte("correct horse"), nil }
	for what, c := range map[string]struct {
		to       string
		identity []byte
	}{
		"a key of age":                    {native.Recipient().String(), []byte("# created: today\n\n" + native.String() + "\n")},
		"a post-quantum key":              {quantum.Recipient().String(), []byte(quantum.String())},
		"a key that age has locked":       {native.Recipient().String(), locked(t, native.String(), "correct horse", false)},
		"a key that age -a -p has locked": {native.Recipient().String(), locked(t, native.String(), "correct horse", true)},
		"a key of SSH":                    {sshKey, open},
		"the same in another form":        {sshKey, pkcs8},
		"a locked key of SSH":             {lockedKey, closed},
	} {
		id, err := cipher.Read([]string{written(t, c.identity)}, ask)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		set := need.Value(recipient.ParseSet([]string{c.to}))(t)
		var sealed, opened bytes.Buffer
		plain, stored, err := cipher.Encrypt(t.Context(), &sealed, strings.NewReader("an export"), set)
		need.Done(t, err)
		copied := backups.Copy{Files: []backups.File{{File: "a"}, {File: "b.age", Encrypted: &backups.Encrypted{Recipients: set.Fingerprints()}}}}
		body := sealed.Bytes()
		got, err := id.Decrypt(t.Context(), &opened, bytes.NewReader(body))
		if err != nil || got != plain || opened.String() != "an export" || stored.Size != int64(len(body)) || stored.Size > cipher.Most(plain.Size, 1) || !id.OpenAll(copied) {
			t.Errorf("%s: %v, %+v, opened %q, stored %+v, opens %v", what, err, got, opened.String(), stored, id.OpenAll(copied))
		}
		if _, err := other.Decrypt(t.Context(), io.Discard, bytes.NewReader(body)); !errors.Is(err, cipher.ErrNotOpened) || other.OpenAll(copied) || (*cipher.Identities)(nil).OpenAll(copied) {
			t.Errorf("%s: another identity: %v, opens %v", what, err, other.OpenAll(copied))
		}
		body[len(body)-1] ^= 1
		if _, err := id.Decrypt(t.Context(), io.Discard, bytes.NewReader(body)); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s, altered: %v", what, err)
		}
	}
}

// TestAFileThatIsNoIdentityIsRefusedWithoutQuotingIt: it may hold a secret all the same.
func TestAFileThatIsNoIdentityIsRefusedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	native := need.Value(age.GenerateX25519Identity())(t)
	_, locker := keygen(t)
	closed := string(locker)
	secret := native.String()
	wrong := func(string) ([]byte, error) { return []byte("wrong"), nil }
	for what, c := range map[string]struct {
		body string
		ask  func(string) ([]byte, error)
		want string
	}{
		"a public key":            {native.Recipient().String(), nil, "line 1 is a public key: give the file with the secret key"},
		"a damaged key":           {"# mine\n" + secret[:len(secret)-3], nil, "line 2 is no secret key of age"},
		"a plugin's":              {"AGE-PLUGIN-YUBIKEY-1QQQQ", nil, "line 1 is of a plugin of age"},
		"nothing":                 {"# empty\n", nil, "holds no secret key"},
		"a damaged SSH key":       {"-----BEGIN OPENSSH PRIVATE KEY-----\n" + secret + "\n", nil, "no SSH private key that can be read"},
		"locked, nobody there":    {closed, nil, "there is no terminal to ask for it"},
		"locked, another phrase":  {closed, wrong, "not opened by this passphrase"},
		"by age, another phrase":  {string(locked(t, secret, "correct horse", false)), wrong, "not opened by this passphrase"},
		"by age, for a recipient": {string(locked(t, secret, "correct horse", true)[:60]), wrong, "not opened by this passphrase"},
		"too long":                {strings.Repeat("x", 1<<20+1), nil, "too long"},
	} {
		_, err := cipher.Read([]string{written(t, []byte(c.body))}, c.ask)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret[20:40]) {
			t.Errorf("%s: %v, want one that says %q", what, err, c.want)
		}
	}
	if _, err := cipher.Read([]string{"/nowhere"}, nil); !errors.Is(err, os.ErrNotExist) || err.Error() != "read identity /nowhere: no such file or directory" {
		t.Errorf("of none: %v", err)
	}
}

// TestEveryBeginningOfAnEncryptedFileIsDamaged: age ends a file with a block that says so.
func TestEveryBeginningOfAnEncryptedFileIsDamaged(t *testing.T) {
	t.Parallel()
	native := need.Value(age.GenerateX25519Identity())(t)
	id := need.Value(cipher.Read([]string{written(t, []byte(native.String()))}, nil))(t)
	var sealed bytes.Buffer
	_, _, err := cipher.Encrypt(t.Context(), &sealed, bytes.NewReader(make([]byte, 200<<10)), need.Value(recipient.ParseSet([]string{native.Recipient().String()}))(t))
	need.Done(t, err)
	for n := 0; n < sealed.Len(); n += 9973 {
		if _, err := id.Decrypt(t.Context(), io.Discard, bytes.NewReader(sealed.Bytes()[:n])); err == nil {
			t.Errorf("%d of %d bytes are taken", n, sealed.Len())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := id.Decrypt(ctx, io.Discard, &sealed); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// zeros are so many bytes. It measures what is in use of the heap on their way.
type zeros struct {
	n    int64
	most uint64
}

func (z *zeros) Read(b []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), z.n)
	clear(b[:n])
	if z.n -= n; z.n%(8<<20) == 0 {
		z.most = max(z.most, inUse())
	}
	return int(n), nil
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestALargeFileIsNeverInMemoryAsAWhole is not parallel: it measures the whole process.
func TestALargeFileIsNeverInMemoryAsAWhole(t *testing.T) {
	native := need.Value(age.GenerateX25519Identity())(t)
	set := need.Value(recipient.ParseSet([]string{native.Recipient().String()}))(t)
	id := need.Value(cipher.Read([]string{written(t, []byte(native.String()))}, nil))(t)
	const size = 32 << 20
	before, from := inUse(), zeros{n: size}
	out, to := io.Pipe()
	go func() {
		_, _, err := cipher.Encrypt(context.Background(), to, &from, set)
		to.CloseWithError(err)
	}()
	h := sha256.New()
	got := need.Value(id.Decrypt(t.Context(), h, out))(t)
	if got.Size != size || got.SHA256 != hex.EncodeToString(h.Sum(nil)) {
		t.Errorf("%+v", got)
	}
	if from.most == 0 || from.most > before+2<<20 {
		t.Errorf("%d bytes were in use, and %d before", from.most, before)
	}
}
