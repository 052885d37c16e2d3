package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/store"
)

// The servers of `make test-servers` are real ones, and take minutes to
// compile. This one runs within the test. It refuses to put an object where
// one stands, and completes an upload there all the same.
func fake(t *testing.T, change func(*http.Request)) string {
	t.Helper()
	s := httptest.NewServer(handler(t, change))
	t.Cleanup(s.Close)
	return s.URL
}

func handler(t *testing.T, change func(*http.Request)) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	h := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change != nil {
			change(r)
		}
		h.ServeHTTP(w, r)
	})
}

const accessKey, secretKey = "dprun-access", "dprun/secret+key-of-the-tests"

func settings(endpoint string, set map[string]cty.Value) cty.Value {
	all := map[string]cty.Value{
		"endpoint": cty.StringVal(endpoint), "bucket": cty.StringVal("backups"), "prefix": cty.StringVal("gateways/all"),
		"access_key": cty.StringVal(accessKey), "secret_key": cty.StringVal(secretKey),
	}
	for name, t := range schema.MustOf[config]().ImpliedType().AttributeTypes() {
		if _, ok := all[name]; !ok {
			all[name] = cty.NullVal(t)
		}
	}
	for name, v := range set {
		all[name] = v
	}
	return cty.ObjectVal(all)
}

func small(endpoint string) config {
	return config{Endpoint: endpoint, Bucket: "backups", Region: "us-east-1", AccessKey: accessKey, SecretKey: secretKey, PathStyle: true, Timeout: time.Minute, Above: 64, PartSize: 5 << 20}
}

func open(t *testing.T, c config) *store.Destination {
	t.Helper()
	d, err := configure(t.Context(), c, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func request(t *testing.T, path, content string) sdk.StoreRequest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return sdk.StoreRequest{Source: file, Path: path, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Verify: sdk.VerifySent, Owner: "test"}
}

func wantFailure(t *testing.T, err error, kind failure.Kind, reason failure.Reason) {
	t.Helper()
	f, ok := errors.AsType[*failure.Error](err)
	if !ok || f.Kind != kind || f.Reason != reason || strings.Contains(err.Error(), secretKey) {
		t.Errorf("got %v, want %s, %s", err, kind, reason)
	}
}

func TestEveryRuleIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(plugin()), Kind: schema.KindDestination, Type: "s3", Config: settings(fake(t, nil), nil), Ordinary: 1 << 20, Large: 8 << 20,
	}) {
		t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
	}
}

func TestAServerThatReplacesIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t, small(fake(t, func(r *http.Request) { r.Header.Del("If-None-Match") })))
	_, err := d.Check(t.Context())
	wantFailure(t, err, failure.Precondition, failure.Unsupported)
	_, err = d.Store(t.Context(), request(t, "x", "content"), nil)
	wantFailure(t, err, failure.Precondition, failure.Unsupported)
}

func TestPartsAreRefusedWhereTheyReplace(t *testing.T) {
	t.Parallel()
	d := open(t, small(fake(t, nil)))
	report, err := d.Check(t.Context())
	if err != nil || !strings.Contains(strings.Join(report.Warnings, "\n"), "multipart_above") {
		t.Errorf("check gives %+v, %v", report, err)
	}
	if _, err := d.Store(t.Context(), request(t, "small", "content"), nil); err != nil {
		t.Error(err)
	}
	_, err = d.Store(t.Context(), request(t, "large", strings.Repeat("content", 10)), nil)
	wantFailure(t, err, failure.Precondition, failure.Unsupported)
	if objects, err := d.List(t.Context(), ""); err != nil || len(objects) != 1 {
		t.Errorf("there is %+v, %v", objects, err)
	}
}

// TestACertificateOfOnesOwnIsTrusted: what is sent is what is stored with TLS
// too, where clients like to send bodies in another way.
func TestACertificateOfOnesOwnIsTrusted(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(handler(t, nil))
	t.Cleanup(s.Close)
	c := small(s.URL)
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := request(t, "x", "content")
	r.Verify = sdk.VerifyReadBack
	if _, err := open(t, c).Store(t.Context(), r, nil); err != nil {
		t.Error(err)
	}
	c.CAFile = r.Source
	_, err := configure(t.Context(), c, sdk.Env{})
	wantFailure(t, err, failure.Precondition, failure.BadConfig)
}

// TestADirectoryIsNotStoredOver: one server lists nothing of it then.
func TestADirectoryIsNotStoredOver(t *testing.T) {
	t.Parallel()
	d := open(t, small(fake(t, nil)))
	if _, err := d.Store(t.Context(), request(t, "set/file", "content"), nil); err != nil {
		t.Fatal(err)
	}
	_, err := d.Store(t.Context(), request(t, "set", "content"), nil)
	wantFailure(t, err, failure.Exists, failure.Occupied)
}

// TestAServerThatDoesNotCompareIsReadBack: it takes data that a checksum does
// not fit, and spoils some of it.
func TestAServerThatDoesNotCompareIsReadBack(t *testing.T) {
	t.Parallel()
	d := open(t, small(fake(t, func(r *http.Request) {
		r.Header.Del("Content-Md5")
		if strings.HasSuffix(r.URL.Path, "/spoiled") && r.Method == http.MethodPut {
			r.Body = spoiled{r.Body}
		}
	})))
	report, err := d.Check(t.Context())
	if err != nil || !strings.Contains(strings.Join(report.Warnings, "\n"), "read back") {
		t.Errorf("check gives %+v, %v", report, err)
	}
	if _, err := d.Store(t.Context(), request(t, "good", "content"), nil); err != nil {
		t.Error(err)
	}
	_, err = d.Store(t.Context(), request(t, "spoiled", "content"), nil)
	wantFailure(t, err, failure.Corrupt, failure.Mismatch)
	if objects, err := d.List(t.Context(), ""); err != nil || len(objects) != 1 {
		t.Errorf("there is %+v, %v", objects, err)
	}
}

// spoiled changes what is read.
type spoiled struct{ io.ReadCloser }

func (s spoiled) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	return copy(p, bytes.ToUpper(p[:n])), err
}

func TestRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	refusing := func(status int, code string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>no</Message></Error>")
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	nobody := httptest.NewServer(nil)
	nobody.Close()
	stranger := httptest.NewTLSServer(nil)
	t.Cleanup(stranger.Close)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	for what, c := range map[string]struct {
		endpoint string
		kind     failure.Kind
		reason   failure.Reason
	}{
		"a wrong key":                  {refusing(403, "SignatureDoesNotMatch"), failure.Denied, failure.BadCredentials},
		"a key without rights":         {refusing(403, "AccessDenied"), failure.Denied, failure.NoAccess},
		"another region":               {refusing(400, "AuthorizationHeaderMalformed"), failure.Precondition, failure.BadConfig},
		"a full server":                {refusing(507, "InsufficientStorage"), failure.NoSpace, failure.OutOfSpace},
		"a server that is busy":        {refusing(503, "SlowDown"), failure.Unavailable, failure.Unreachable},
		"an error that nobody knows":   {refusing(418, "Teapot"), failure.Precondition, ""},
		"nobody at the port":           {nobody.URL, failure.Unavailable, failure.Unreachable},
		"a certificate of somebody":    {stranger.URL, failure.Denied, failure.HostKey},
		"a server that does not speak": {silent.URL, failure.Timeout, failure.Stalled},
	} {
		config := small(c.endpoint)
		config.Timeout = time.Second
		_, err := open(t, config).List(t.Context(), "")
		t.Log(what)
		wantFailure(t, err, c.kind, c.reason)
	}
	config := small(fake(t, nil))
	config.Bucket = "another"
	_, err := open(t, config).Check(t.Context())
	wantFailure(t, err, failure.NotFound, failure.NoDirectory)
}

func TestMistakesAreToldAtTheirArgument(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		severity    schema.Severity
	}{
		{"endpoint", "s3.example.net", schema.SeverityError},
		{"endpoint", "https://s3.example.net/backups", schema.SeverityError},
		{"endpoint", "https://somebody:something@s3.example.net", schema.SeverityError},
		{"endpoint", "http://s3.example.net", schema.SeverityWarning},
		{"bucket", "no", schema.SeverityError},
		{"prefix", "/gateways", schema.SeverityError},
		{"prefix", "gateways/../..", schema.SeverityError},
	} {
		ds, err := plugin().Validate(schema.KindDestination, "s3", "", settings("https://s3.example.net", map[string]cty.Value{c.name: cty.StringVal(c.value)}))
		if err != nil || len(ds) != 1 || ds[0].Severity != c.severity || len(ds[0].Path) != 1 || ds[0].Path[0] != c.name {
			t.Errorf("%s = %q gives %+v, %v", c.name, c.value, ds, err)
		}
	}
}
