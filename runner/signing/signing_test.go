package signing_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/signing"
)

// keygen runs OpenSSH's ssh-keygen, and gives its standard output and error.
func keygen(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// key makes a key pair with ssh-keygen.
func key(t *testing.T, passphrase string, kind ...string) (private, public, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "key")
	if out, err := keygen(t, "", append([]string{"-q", "-N", passphrase, "-C", "", "-f", file, "-t"}, kind...)...); err != nil {
		t.Fatalf("make a key: %v: %s", err, out)
	}
	a, b := must2(t, file), must2(t, file+".pub")
	return a, strings.TrimSpace(b), file
}

func must2(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	return string(must(t, b, err))
}

const text = "what is signed\n"

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestSSHKeygenAcceptsWhatDprunSigns(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string][]string{"ed25519": {"ed25519"}, "rsa": {"rsa", "-b", "2048"}, "ecdsa": {"ecdsa", "-b", "256"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			private, public, _ := key(t, "open sesame", kind...)
			k, err := signing.New(private, "open sesame", "")
			must(t, k, err)
			sig, err := k.Sign(signing.Manifest, []byte(text))
			must(t, sig, err)
			if again, err := k.Sign(signing.Manifest, []byte(text)); err != nil || !bytes.Equal(again, sig) {
				t.Errorf("a second signature differs (%v): a store that is repeated would meet another file", err)
			}
			dir := t.TempDir()
			signers, sigFile := filepath.Join(dir, "signers"), filepath.Join(dir, "text.sig")
			must(t, 0, os.WriteFile(signers, []byte("backup "+public+"\n"), 0o600))
			must(t, 0, os.WriteFile(sigFile, sig, 0o600))
			if out, err := keygen(t, text, "-Y", "verify", "-f", signers, "-I", "backup", "-n", signing.Manifest, "-s", sigFile); err != nil {
				t.Errorf("verify: %v: %s", err, out)
			}
			if out, err := keygen(t, text, "-Y", "check-novalidate", "-n", signing.Manifest, "-s", sigFile); err != nil {
				t.Errorf("check-novalidate: %v: %s", err, out)
			}
			if out, err := keygen(t, text+".", "-Y", "verify", "-f", signers, "-I", "backup", "-n", signing.Manifest, "-s", sigFile); err == nil {
				t.Errorf("another text is accepted: %s", out)
			}
		})
	}
}

func TestWhatSSHKeygenSignsCounts(t *testing.T) {
	t.Parallel()
	private, public, file := key(t, "", "ed25519")
	_, other, _ := key(t, "", "ed25519")
	dir := t.TempDir()
	name := filepath.Join(dir, "text")
	must(t, 0, os.WriteFile(name, []byte(text), 0o600))
	if out, err := keygen(t, "", "-Y", "sign", "-f", file, "-n", signing.Manifest, name); err != nil {
		t.Fatalf("sign: %v: %s", err, out)
	}
	sig := []byte(must2(t, name+".sig"))
	for _, c := range []struct {
		name, key, allowed, text string
		namespace                string
		sig                      []byte
		why                      string // empty: trusted
	}{
		{name: "by an allowed key", allowed: "# the backup host\n\nbackup,ops " + public + " comment here\n"},
		{name: "a key without a name", allowed: public},
		{name: "by the own key", key: private},
		{name: "in the namespace of the line", allowed: `backup namespaces="git,dprun-*" ` + public},
		{name: "in the time of the line", allowed: `backup valid-after="20261101",valid-before="20261201Z" ` + public},
		{name: "by another key", allowed: "backup " + other, why: "not among the allowed signers"},
		{name: "nobody is allowed", why: "nobody's signature counts"},
		{name: "of another text", allowed: public, text: "what is signet\n", why: "not one of what it says"},
		{name: "in another namespace", allowed: public, namespace: "git", why: "meant for something else"},
		{name: "in a namespace that the line leaves out", allowed: `backup namespaces="git" ` + public, why: "not allowed for namespace"},
		{name: "in a namespace that the line rules out", allowed: `backup namespaces="*,!dprun-m*" ` + public, why: "not allowed for namespace"},
		{name: "in a namespace whose pattern has brackets", allowed: `backup namespaces="dprun-[m]anifest" ` + public, why: "not allowed for namespace"},
		{name: "in a namespace beside one that is ruled out", allowed: `backup namespaces="!git,dprun-*" ` + public},
		{name: "before the line's time", allowed: `backup valid-after="202611291200Z" ` + public, why: "not valid at"},
		{name: "after the line's time", allowed: `backup valid-before="20261101" ` + public, why: "not valid at"},
		{name: "no signature", allowed: public, sig: []byte{}, why: "not signed"},
		{name: "half a signature", allowed: public, sig: sig[:len(sig)/2], why: "cannot be read"},
		{name: "another signature's content", allowed: public, sig: bytes.Replace(sig, []byte("A"), []byte("B"), 1), why: " "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, err := signing.New(c.key, "", c.allowed)
			must(t, k, err)
			of, in, given := text, signing.Manifest, sig
			if c.text != "" {
				of = c.text
			}
			if c.namespace != "" {
				in = c.namespace
			}
			if c.sig != nil {
				given = c.sig
			}
			v := k.Check(in, []byte(of), given, now)
			if v.Trusted != (c.why == "") || !strings.Contains(v.Why, c.why) {
				t.Errorf("trusted %t, because %q; want %q", v.Trusted, v.Why, c.why)
			}
		})
	}
}

func TestKeysThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	locked, public, _ := key(t, "open sesame", "ed25519")
	for _, c := range []struct{ key, passphrase, allowed, why string }{
		{key: locked, why: "has a passphrase"},
		{key: locked, passphrase: "wrong", why: "no private key that can be used"},
		{key: public, why: "no private key that can be used"},
		{allowed: "\nbackup", why: "line 2 of the allowed signers: there is no public key"},
		{allowed: "backup ssh-ed25519 AAAA", why: "cannot be read"},
		{allowed: "backup cert-authority " + public, why: "cert-authority"},
		{allowed: "backup no-such-thing " + public, why: `"no-such-thing" is not known`},
		{allowed: `backup valid-after="soon" ` + public, why: "no time"},
		{allowed: `backup namespaces="git ` + public, why: "a quote does not end"},
	} {
		_, err := signing.New(c.key, c.passphrase, c.allowed)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("key of %d bytes, signers %q: %v; want %q", len(c.key), c.allowed, err, c.why)
		} else if strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("the error holds the key: %v", err)
		}
	}
}
