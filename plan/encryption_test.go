package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestASecretKeyInAPlanIsRefusedAndNotRepeated: wherever it was pasted.
func TestASecretKeyInAPlanIsRefusedAndNotRepeated(t *testing.T) {
	t.Parallel()
	key := need.Value(age.GenerateX25519Identity())(t)
	secret := key.String()
	for what, c := range map[string]struct {
		inside string
		code   diag.Code
	}{
		"in the list":             {`recipients = ["` + key.Recipient().String() + `", "` + secret + `"]`, diag.SecretLiteral},
		"in place of the list":    {`recipients = "` + secret + `"`, diag.SecretLiteral},
		"without quotes":          {`recipients = [` + secret + `]`, diag.SecretLiteral},
		"in small letters":        {`recipients = ["` + strings.ToLower(secret) + `"]`, diag.SecretLiteral},
		"under another name":      {`identity = "` + secret + `"`, diag.SecretLiteral},
		"in a local":              {`recipients = [local.key]`, diag.SecretLiteral},
		"in a file":               {`recipients = [file("key")]`, diag.SecretLiteral},
		"without the last quotes": {`recipients = ["` + secret + `]`, diag.Syntax},
		"as a key of SSH":         {"recipients = [\"-----BEGIN OPENSSH PRIVATE KEY-----\\n" + secret[20:] + "\"]", diag.SecretLiteral},
	} {
		_, ds := compile(t, "locals {\n  key = \""+secret+"\"\n}\ndestination \"file\" \"x\" {\n  config { directory = \"/x\" }\n  encryption {\n    "+c.inside+"\n  }\n}\n",
			map[string]string{"key": secret + "\n"})
		said := render(ds) + string(need.Value(json.Marshal(ds))(t))
		if strings.Contains(strings.ToLower(said), strings.ToLower(secret[20:40])) {
			t.Errorf("%s: the key is shown:\n%s", what, said)
		}
		found := false
		for _, d := range ds {
			found = found || d.Code == c.code && d.Range != nil && d.Range.Start.Line >= 6
		}
		if !found {
			t.Errorf("%s: no %s:\n%s", what, c.code, render(ds))
		}
	}
}

// TestKeysOfTwoKindsAreNotMixed: the weaker one would decide.
func TestKeysOfTwoKindsAreNotMixed(t *testing.T) {
	t.Parallel()
	old, quantum := need.Value(age.GenerateX25519Identity())(t).Recipient().String(), need.Value(age.GenerateHybridIdentity())(t).Recipient().String()
	_, ds := compile(t, "destination \"file\" \"x\" {\n  config { directory = \"/x\" }\n  encryption {\n    recipients = [\n\""+quantum+"\",\n\""+old+"\"]\n  }\n}\n", nil)
	for _, d := range ds {
		if d.Code == diag.InvalidValue && d.Range.Start.Line == 6 && strings.Contains(d.Detail, "must not be mixed with others") {
			return
		}
	}
	t.Error(render(ds))
}
