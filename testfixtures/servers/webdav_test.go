//go:build builtservers

package servers_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// The account of the WebDAV servers. The password is one that an encoder could spoil.
const davUser, davPassword = "backup", `pä"ss%20: w+rd`

// davServer is a running WebDAV server.
type davServer struct{ url, ca, dir string }

// webdavPlugin is examples/plugins/webdav as built/run.sh has packed it.
func webdavPlugin(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DPRUN_BUILT_SERVERS")
	if dir == "" {
		t.Fatal("DPRUN_BUILT_SERVERS names no directory: run `make test-servers`")
	}
	return filepath.Join(dir, "webdav", "dprun-plugin-webdav")
}

func davServers() map[string]func(*testing.T) davServer {
	return map[string]func(*testing.T) davServer{"Apache mod_dav, https": apacheDAV, "rclone serve webdav, http": rcloneDAV}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	return l.Addr().String()
}

// startDAV runs a server until the test ends.
func startDAV(t *testing.T, name, addr, log string, argv ...string) {
	t.Helper()
	d := need.Value(daemon.Start(t.Context(), daemon.Spec{Name: name, Argv: argv, Addr: addr, Log: log}))(t)
	t.Cleanup(func() { need.Done(t, d.Kill()) })
}

// openDir is a served directory, which every user may write to: Apache serves as nobody.
func openDir(t *testing.T) (base, data string) {
	t.Helper()
	base = need.Value(os.MkdirTemp("", "webdav-"))(t)
	t.Cleanup(func() { need.Done(t, os.RemoveAll(base)) })
	need.Done(t, os.Chmod(base, 0o755))
	for _, name := range []string{"data", "locks"} {
		need.Done(t, os.Mkdir(filepath.Join(base, name), 0o700))
		need.Done(t, os.Chmod(filepath.Join(base, name), 0o777))
	}
	return base, filepath.Join(base, "data")
}

func rcloneDAV(t *testing.T) davServer {
	base, data := openDir(t)
	addr := freeAddr(t)
	startDAV(t, "rclone serve webdav", addr, filepath.Join(base, "log"), "/usr/bin/rclone", "serve", "webdav", "--config", "/dev/null", "--cache-dir", filepath.Join(base, "cache"),
		"--addr", addr, "--user", davUser, "--pass", davPassword, data)
	return davServer{url: "http://" + addr, dir: data}
}

const httpdConf = `
ServerRoot %[1]q
ServerName localhost
Listen %[2]s
PidFile pid
ErrorLog error.log
DefaultRuntimeDir .
Mutex posixsem
User nobody
Group nogroup
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule dav_module /usr/lib/apache2/modules/mod_dav.so
LoadModule dav_fs_module /usr/lib/apache2/modules/mod_dav_fs.so
SSLEngine on
SSLCertificateFile server.pem
SSLCertificateKeyFile server.key
DavLockDB locks/db
DocumentRoot %[3]q
<Directory />
  Dav On
  AuthType Basic
  AuthName backups
  AuthBasicProvider file
  AuthUserFile passwords
  Require valid-user
</Directory>
`

func apacheDAV(t *testing.T) davServer {
	base, data := openDir(t)
	addr := freeAddr(t)
	certificate, key := serverCertificate(t)
	hash := exec.Command("openssl", "passwd", "-apr1", "-stdin")
	hash.Stdin = strings.NewReader(davPassword)
	out := need.Value(hash.Output())(t)
	for name, text := range map[string]string{
		"server.pem": certificate, "server.key": key, "passwords": davUser + ":" + string(out),
		"httpd.conf": fmt.Sprintf(httpdConf, base, addr, data),
	} {
		need.Done(t, os.WriteFile(filepath.Join(base, name), []byte(text), 0o644))
	}
	startDAV(t, "Apache", addr, filepath.Join(base, "log"), "/usr/sbin/apache2", "-d", base, "-f", filepath.Join(base, "httpd.conf"), "-D", "FOREGROUND")
	return davServer{url: "https://" + addr + "/", ca: filepath.Join(base, "server.pem"), dir: data}
}

// serverCertificate signs itself, and is for 127.0.0.1.
func serverCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private := need.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "webdav"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der := need.Value(x509.CreateCertificate(rand.Reader, template, template, private.Public(), private))(t)
	raw := need.Value(x509.MarshalPKCS8PrivateKey(private))(t)
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", raw)
}

// TestBuiltPluginInAnotherLanguageConforms runs the plugin that is written for
// Node through the suite, against each WebDAV server.
func TestBuiltPluginInAnotherLanguageConforms(t *testing.T) {
	t.Parallel()
	plugin := webdavPlugin(t)
	for name, start := range davServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for _, c := range conformance.Cases(conformance.Subject{
				Start: conformance.Program(plugin), Kind: schema.KindDestination, Type: "webdav", Config: davConfig(s),
			}) {
				t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
			}
		})
	}
}

// TestBuiltPluginInAnotherLanguageServesARun backs a gateway up through it.
func TestBuiltPluginInAnotherLanguageServesARun(t *testing.T) {
	t.Parallel()
	s := apacheDAV(t)
	servesARun(t, "webdav", filepath.Dir(webdavPlugin(t)), davPassword, s.dir, fmt.Sprintf(`
    url      = %q
    username = %q
    password = secret_file("secret")
    ca_file  = %q
`, s.url, davUser, s.ca))
}

// servesARun installs a packed plugin as an operator does, and backs a gateway
// up through it. The destination's config block reads secret from a file of
// that name; what it stores stands below served.
func servesARun(t *testing.T, plugin, packed, secret, served, config string) {
	t.Helper()
	fleet := need.Value(dpsim.Start(t.Context(), dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 2, ExportSize: "100KB"}}}))(t)
	t.Cleanup(fleet.Close)
	gw := fleet.Ready().Devices[0]
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "DPRUN_STATE_DIR="+filepath.Join(dir, "state"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	dprun, plan := filepath.Join(dir, "dprun"), filepath.Join(dir, "plan.hcl")
	run("go", "build", "-o", dprun, "github.com/dprun/dprun/cmd/dprun")
	mirrored := filepath.Join(dir, "mirror", "plugins.example.com", "backup", plugin, "0.1.0", runtime.GOOS+"_"+runtime.GOARCH)
	need.Done(t, os.CopyFS(mirrored, os.DirFS(packed)))
	for file, text := range map[string]string{
		"gw.pw": gw.Password, "secret": secret,
		"plan.hcl": fmt.Sprintf(`
dprun {
  required_plugins {
    %[1]s = { source = "plugins.example.com/backup/%[1]s", version = "~> 0.1" }
  }
}

device "datapower" "gw" {
  config {
    host     = %[2]q
    port     = %[3]d
    username = %[4]q
    password = secret_file("gw.pw")
    tls { ca_file = %[5]q }
  }
}

destination %[1]q "vault" {
  min_free = 0
  config {%[6]s  }
}

plan "nightly" {
  destinations = [destination.%[1]s.vault]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`, plugin, gw.Host, gw.Port, gw.Username, gw.CAFile, config),
	} {
		need.Done(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	run(dprun, "init", "--plugin-dir", filepath.Join(dir, "mirror"), plan)
	if out := run(dprun, "plugin", "list"); !strings.Contains(out, plugin) {
		t.Errorf("dprun plugin list does not have it:\n%s", out)
	}
	out := run(dprun, "apply", plan)
	exported := map[string]bool{} // SHA-256
	for _, d := range fleet.State().Devices {
		for _, e := range d.Exports {
			exported[e.SHA256] = true
		}
	}
	exports, manifests := 0, 0
	for name, sum := range hashes(t, served) {
		switch {
		case strings.HasSuffix(name, ".zip") && exported[sum]:
			exports++
		case strings.HasSuffix(name, ".dprun.json"):
			manifests++
		case !strings.Contains(name, "/.DAV/"): // Apache's own
			t.Errorf("%s was left behind, or is not what the gateway gave", name)
		}
	}
	if exports != 3 || manifests != 3 {
		t.Errorf("%d exports and %d manifests, want 3 of each:\n%s", exports, manifests, out)
	}
	if strings.Contains(out, secret) {
		t.Error("the output holds the secret")
	}
}

// TestBuiltPluginInAnotherLanguageSaysWhatItIs: by hand it describes itself and
// serves nobody, and without the host's certificate it serves no host either.
func TestBuiltPluginInAnotherLanguageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	plugin := webdavPlugin(t)
	if out, err := exec.Command(plugin, "describe").Output(); err != nil || !bytes.Contains(out, []byte(`"name": "webdav"`)) {
		t.Errorf("describe gives %s, %v", out, err)
	}
	if out, err := exec.Command(plugin).CombinedOutput(); err == nil || !bytes.Contains(out, []byte(`the dprun plugin "webdav"`)) {
		t.Errorf("started by hand it says %s, %v", out, err)
	}
	h := client.Handshake()
	cmd := exec.Command(plugin)
	cmd.Env = append(os.Environ(), h.MagicCookieKey+"="+h.MagicCookieValue)
	if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("PLUGIN_CLIENT_CERT")) || bytes.Contains(out, []byte("|unix|")) {
		t.Errorf("without the host's certificate it says %s, %v", out, err)
	}
}
