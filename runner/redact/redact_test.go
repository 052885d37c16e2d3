package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestNoFormOfASecretIsShown(t *testing.T) {
	t.Parallel()
	secret := `p"a<ss & wörd/+=`
	quoted := need.Value(json.Marshal(secret))(t)
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

func TestEveryWayToWriteASecretIsMasked(t *testing.T) {
	t.Parallel()
	const secret = `p"a&s's<w>/ö\x`
	var r Redactor
	r.Add(secret)
	plainJSON := &strings.Builder{}
	e := json.NewEncoder(plainJSON)
	e.SetEscapeHTML(false)
	need.Done(t, e.Encode(secret))
	for name, text := range map[string]string{
		"Go's quoted form": fmt.Sprintf("%q", secret), "Go's quoted form in ASCII": fmt.Sprintf("%+q", secret), "JSON without HTML escapes": plainJSON.String(),
		"HTML": html.EscapeString(secret), "XML attribute": `p&quot;a&amp;s&apos;s&lt;w&gt;/ö\x`, "XML text": `p"a&amp;s's&lt;w&gt;/ö\x`,
		"lower percents": strings.ToLower(url.QueryEscape(secret)), "upper hex": strings.ToUpper(hex.EncodeToString([]byte(secret))), "shell": `'p"a&s'\''s<w>/ö\x'`,
	} {
		got := r.Redact("x " + text + " y")
		if !strings.Contains(got, mask) || len(got) > len("x '"+mask+"' y\n") {
			t.Errorf("%s: %q of %q is shown", name, got, text)
		}
	}
}

func TestALongerSecretIsMaskedWhole(t *testing.T) {
	t.Parallel()
	var r Redactor
	for _, s := range []string{"pool", "pool-token", "token-7", "pool-token-7"} {
		r.Add(s)
	}
	if got := r.Redact("a pool-token-7, a pool-token-8, a car pool"); got != "a "+mask+", a "+mask+"-8, a car "+mask {
		t.Error(got)
	}
}

// The work grows with the secrets and with the text, not with both: also when
// all secrets begin alike. The time is what a busy machine needs for it; the
// quadratic way takes minutes.
func TestTenThousandSecretsAreKnownAndMaskedSoon(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var r Redactor
	var text, want strings.Builder
	start := time.Now()
	for i := range n {
		s := fmt.Sprintf("gateway-password-%05d-äß<%d>", i, i*i)
		r.Add(s)
		fmt.Fprintf(&text, "login of %d with %s failed: gateway-pass\n", i, s)
		fmt.Fprintf(&want, "login of %d with %s failed: gateway-pass\n", i, mask)
	}
	got := r.Redact(text.String())
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	} else {
		t.Log(took)
	}
	if got != want.String() {
		t.Error("not every secret is masked, or something else is")
	}
}
