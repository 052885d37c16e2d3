package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestNoFormOfASecretIsShown(t *testing.T) {
	t.Parallel()
	secret := `p"a<ss & wörd/+=`
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	var r Redactor
	r.Add(secret)
	r.Add("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END KEY-----\n")
	for name, text := range map[string]string{
		"plain": "login with " + secret, "json": `{"password":` + string(quoted) + `}`, "query": "https://h/?p=" + url.QueryEscape(secret),
		"base64": "Authorization: " + base64.StdEncoding.EncodeToString([]byte(secret)), "xml": `<p>p&#34;a&lt;ss &amp; wörd/+=</p>`,
		"a line of a key": "parse error near MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
	} {
		got := r.Redact(text)
		if !strings.Contains(got, mask) {
			t.Errorf("%s: %q shows the secret", name, got)
		}
	}
	if got := r.Redact("nothing here"); got != "nothing here" {
		t.Errorf("changed %q", got)
	}
}

func TestShortSecretsDoNotMaskEverything(t *testing.T) {
	t.Parallel()
	var r Redactor
	r.Add("a")
	if got := r.Redact("a gateway"); got != "a gateway" {
		t.Errorf("got %q", got)
	}
}

func TestABase64FormIsFoundBehindAnything(t *testing.T) {
	t.Parallel()
	const secret = "second-password"
	var r Redactor
	r.Add(secret)
	for _, user := range []string{"", "a", "ab", "abc", "backup", "operator"} {
		written := base64.StdEncoding.EncodeToString([]byte(user + ":" + secret + "\nmore"))
		if got := r.Redact(written); !strings.Contains(got, mask) || len(got) > len(written)-len(secret)+len(mask) {
			t.Errorf("behind %q: %q of %q is shown", user, got, written)
		}
	}
}
