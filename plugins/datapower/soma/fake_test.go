package soma_test

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/testfixtures/need"
)

// device is a management interface that answers as it is told.
type device struct {
	server   *httptest.Server
	requests chan string
	config   soma.Config
}

// newDevice starts a device on the loopback.
func newDevice(t testing.TB, answer http.HandlerFunc) *device {
	t.Helper()
	d := &device{requests: make(chan string, 16)}
	d.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		select {
		case d.requests <- string(body):
		default:
		}
		if user, password, _ := r.BasicAuth(); user != "admin" || password != "s3cret" {
			_, _ = io.WriteString(w, reply("<dp:result>Authentication failure</dp:result>"))
			return
		}
		answer(w, r)
	}))
	d.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	d.server.StartTLS()
	t.Cleanup(d.server.Close)
	u := need.Value(url.Parse(d.server.URL))(t)
	port := need.Value(strconv.Atoi(u.Port()))(t)
	d.config = soma.Config{
		Host: u.Hostname(), Port: port, Username: "admin", Password: "s3cret", ConnectTimeout: 5 * time.Second,
		TLS: soma.TLS{CAs: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.server.Certificate().Raw})},
	}
	return d
}

func (d *device) client(t testing.TB, change ...func(*soma.Config)) *soma.Client {
	t.Helper()
	config := d.config
	for _, f := range change {
		f(&config)
	}
	c := need.Value(soma.New(config))(t)
	t.Cleanup(c.Close)
	return c
}

// says answers every request with the same reply.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// reply is what the device puts around its parts: a declaration, then one line.
func reply(parts string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body><dp:response xmlns:dp="` +
		soma.Namespace + `">` + parts + `</dp:response></env:Body></env:Envelope>`
}

const stamp = `<dp:timestamp>2013-05-03T21:45:34-04:00</dp:timestamp>`

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func wantClass(t *testing.T, err error, want soma.Class, text string) {
	t.Helper()
	if got := soma.ClassOf(err); got != want || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("class %q, error %v; want class %q and text %q", got, err, want, text)
	}
	if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "wrong-pass")) {
		t.Errorf("the error holds the password: %v", err)
	}
}
