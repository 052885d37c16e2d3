package access

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestAConfigurationIsReadWithItsDefaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := configure(t, dir, `
external_url = "https://backup.bank.example/"
audit_log    = "audit.log"
tls {
  certificate = "server.crt"
  key         = "/etc/key"
}
oidc {
  issuer    = "https://login.bank.example"
  client_id = "dprun"
  role "viewer" {
    claim  = "groups"
    values = ["staff"]
  }
}
sessions {
  idle = "15m"
}
`)
	if c.Listen != "127.0.0.1:8420" || c.ExternalURL != "https://backup.bank.example" || c.AuditLog != filepath.Join(dir, "audit.log") ||
		c.TLS.Certificate != filepath.Join(dir, "server.crt") || c.TLS.Key != "/etc/key" ||
		c.Sessions.idle != 15*time.Minute || c.Sessions.longest != 12*time.Hour || c.Limits.LoginsPerMinute != 30 || c.Limits.RequestsPerSecond != 50 ||
		strings.Join(c.OIDC.Scopes, " ") != "profile email" {
		t.Errorf("read: %+v %+v %+v %+v", c, c.Sessions, c.Limits, c.OIDC)
	}
}

func TestAMistakeInAConfigurationIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	sum := hash(nightToken)
	for _, c := range []struct{ name, text, at, want string }{
		{"syntax", "listen =", "1:9", "Missing expression"},
		{"unknown argument", `port = 1`, "1:1", "Unsupported argument"},
		{"type", "hosts = 7", "1:9", "list of string"},
		{"address", `listen = "8420"`, "1:10", "is no address"},
		{"without TLS", `listen = "0.0.0.0:8420"`, "1:10", "Add a tls block"},
		{"no host is every address", `listen = ":8420"`, "1:10", "plain text"},
		{"no name", "listen = \"0.0.0.0:8420\"\ntls {\n certificate = \"c\"\n key = \"k\"\n}", "1:10", "external_url"},
		{"no key", "tls {\n certificate = \"c\"\n}", "1:5", `"key" is required`},
		{"external without scheme", `external_url = "backup.bank.example"`, "1:16", "is not how people reach"},
		{"external with a path", `external_url = "https://bank.example/dprun"`, "1:16", "A path is not possible"},
		{"external https without TLS", `external_url = "https://bank.example"`, "1:16", "does not fit"},
		{"external http elsewhere", `external_url = "http://bank.example"`, "1:16", "does not fit"},
		{"proxy and TLS", "external_url = \"https://a.example\"\ntls {\n certificate = \"c\"\n key = \"k\"\n}\nproxy {\n addresses = [\"10.0.0.5\"]\n}", "6:7", "TLS ends here, or at a proxy"},
		{"proxy without a name", "proxy {\n addresses = [\"10.0.0.5\"]\n}", "1:7", "external_url"},
		{"proxy everywhere", "external_url = \"https://a.example\"\nproxy {\n addresses = [\"0.0.0.0/0\"]\n}", "3:14", "is not the address of a proxy"},
		{"proxy nowhere", "external_url = \"https://a.example\"\nproxy {\n addresses = []\n}", "3:14", "Nobody would be answered"},
		{"the token itself", "token \"a\" {\n sha256 = \"correct horse\"\n role = \"viewer\"\n}", "2:11", "does not belong here"},
		{"role", "token \"a\" {\n sha256 = \"" + sum + "\"\n role = \"root\"\n}", "3:9", `"viewer", "operator" or "admin"`},
		{"expiry", "token \"a\" {\n sha256 = \"" + sum + "\"\n role = \"viewer\"\n expires = \"tomorrow\"\n}", "4:12", "is no time"},
		{"name twice", "token \"a\" {\n sha256 = \"" + sum + "\"\n role = \"viewer\"\n}\ntoken \"a\" {\n sha256 = \"" + hash("b") + "\"\n role = \"viewer\"\n}", "5:11", "two tokens"},
		{"token twice", "token \"a\" {\n sha256 = \"" + sum + "\"\n role = \"viewer\"\n}\ntoken \"b\" {\n sha256 = \"" + sum + "\"\n role = \"viewer\"\n}", "6:11", `also the token "a"`},
		{"issuer", "external_url = \"http://localhost:8420\"\noidc {\n issuer = \"http://login.example\"\n client_id = \"a\"\n role \"viewer\" {\n claim = \"g\"\n values = [\"a\"]\n }\n}", "3:11", "begins with https"},
		{"no role", "external_url = \"http://localhost:8420\"\noidc {\n issuer = \"https://login.example\"\n client_id = \"a\"\n}", "2:6", "Nobody who logs in"},
		{"unknown role", "external_url = \"http://localhost:8420\"\noidc {\n issuer = \"https://login.example\"\n client_id = \"a\"\n role \"boss\" {\n claim = \"g\"\n values = [\"\"]\n }\n}", "5:14", "no role \"boss\""},
		{"oidc without a URL", "oidc {\n issuer = \"https://login.example\"\n client_id = \"a\"\n role \"viewer\" {\n claim = \"g\"\n values = [\"a\"]\n }\n}", "1:6", "come back to"},
		{"session", "sessions {\n idle = \"1s\"\n}", "2:9", "no time for a session"},
		{"limit", "limits {\n logins_per_minute = -1\n}", "2:22", "no limit"},
	} {
		file := filepath.Join(t.TempDir(), "serve.hcl")
		need.Done(t, os.WriteFile(file, []byte(c.text), 0o600))
		_, err := ReadConfig(file)
		if err == nil || !strings.Contains(err.Error(), file+":"+c.at+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: at %s %q is not told: %v", c.name, c.at, c.want, err)
		}
	}
	if _, err := ReadConfig(filepath.Join(t.TempDir(), "none.hcl")); err == nil || !strings.Contains(err.Error(), "none.hcl") {
		t.Errorf("a file that there is not: %v", err)
	}
}

// TestTheConfigurationInTheDocumentationCounts reads docs/serve-access.md.
func TestTheConfigurationInTheDocumentationCounts(t *testing.T) {
	t.Parallel()
	page := string(need.Value(os.ReadFile("../../../../docs/serve-access.md"))(t))
	_, text, _ := strings.Cut(page, "```hcl fragment\n")
	text, _, _ = strings.Cut(text, "```")
	if c := configure(t, t.TempDir(), text); len(c.Tokens) != 1 || len(c.OIDC.Grants) != 3 || c.TLS == nil {
		t.Errorf("it is read as %+v", c)
	}
}
