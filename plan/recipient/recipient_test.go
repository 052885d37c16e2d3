package recipient_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestARecipientIsReadAndNamed(t *testing.T) {
	t.Parallel()
	native := need.Value(age.GenerateX25519Identity())(t).Recipient().String()
	quantum := need.Value(age.GenerateHybridIdentity())(t).Recipient().String()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	need.Done(t, err)
	key := need.Value(ssh.NewPublicKey(public))(t)
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	for _, c := range []struct {
		text, want, fingerprint string
		quantum                 bool
	}{
		{" " + native + "\n", native, native, false},
		{line + " ops@bank", line, "ssh-ed25519 " + ssh.FingerprintSHA256(key), false},
		{quantum, quantum, "", true},
	} {
		r := need.Value(recipient.Parse(c.text))(t)
		if r.Text != c.want || r.PostQuantum != c.quantum || c.fingerprint != "" && r.Fingerprint() != c.fingerprint || len(r.Fingerprint()) > 100 {
			t.Errorf("%s is read as %s, %s", c.text, r.Text, r.Fingerprint())
		}
	}
	one, other := need.Value(recipient.ParseSet([]string{native, line}))(t), need.Value(recipient.ParseSet([]string{line, native}))(t)
	if one.Key() != other.Key() || one.Key() == one[:1].Key() {
		t.Errorf("the keys are %s, %s, %s", one.Key(), other.Key(), one[:1].Key())
	}
}

// TestWhatIsNoRecipientIsRefusedWithoutQuotingIt: it may be a secret.
func TestWhatIsNoRecipientIsRefusedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	native := need.Value(age.GenerateX25519Identity())(t)
	for text, want := range map[string]string{
		native.String():                               "secret key",
		strings.ToLower(native.String()):              "secret key",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn": "secret key",
		"AGE-PLUGIN-YUBIKEY-1QQQQQ":                   "secret key",
		native.Recipient().String()[:40]:              "damaged",
		"age1pq1qqqq":                                 "damaged",
		"age1yubikey1qwerty":                          "needs a plugin",
		"age1tag1qwerty":                              "needs a plugin",
		"ssh-ed25519 AAAAnonsense":                    "damaged",
		"ssh-dss AAAA":                                "ssh-ed25519 and ssh-rsa only",
		"ecdsa-sha2-nistp256 AAAA":                    "ssh-ed25519 and ssh-rsa only",
		"":                                            "not a recipient",
		"hunter2":                                     "not a recipient",
	} {
		_, err := recipient.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || len(text) > 6 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want one that says %q", text, err, want)
		}
	}
}
