package dpsim_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// gateway is a plain client of one device: it sends XML and returns text.
type gateway struct {
	t        *testing.T
	device   dpsim.ReadyDevice
	client   *http.Client
	password string
}

func start(t *testing.T, s dpsim.Scenario) *dpsim.Fleet {
	t.Helper()
	s.Dir, s.SpoolDir = t.TempDir(), t.TempDir()
	f := need.Value(dpsim.Start(context.Background(), s))(t)
	t.Cleanup(f.Close)
	return f
}

// one starts a fleet of a single device, with time standing still.
func one(t *testing.T, d dpsim.Device) (*dpsim.Fleet, *gateway) {
	t.Helper()
	if d.Name == "" {
		d.Name = "gw"
	}
	f := start(t, dpsim.Scenario{Frozen: true, Start: "2026-03-01T12:00:00Z", Devices: []dpsim.Device{d}})
	return f, dial(t, f.Device(d.Name))
}

func dial(t *testing.T, d dpsim.ReadyDevice) *gateway {
	t.Helper()
	ca := need.Value(os.ReadFile(d.CAFile))(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the published certificate is no PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &gateway{t: t, device: d, client: &http.Client{Transport: transport, Timeout: 5 * time.Minute}, password: d.Password}
}

func (g *gateway) post(body string) (*http.Response, string, error) {
	resp, err := g.send(body)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

func (g *gateway) send(body string) (*http.Response, error) {
	r, err := http.NewRequest("POST", fmt.Sprintf("https://%s:%d/service/mgmt/current", g.device.Host, g.device.Port), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(g.device.Username, g.password)
	return g.client.Do(r)
}

func envelope(domain, op string) string {
	return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><m:request xmlns:m="http://www.datapower.com/schemas/management" domain="` + domain + `">` + op + `</m:request></e:Body></e:Envelope>`
}

// open sends a request and leaves the answer to be read.
func (g *gateway) open(domain, op string) (*http.Response, error) {
	return g.send(envelope(domain, op))
}

func (g *gateway) try(domain, op string) (string, error) {
	_, text, err := g.post(envelope(domain, op))
	return text, err
}

func (g *gateway) ask(domain, op string) string {
	g.t.Helper()
	text, err := g.try(domain, op)
	if err != nil {
		g.t.Fatalf("%s: %v", op, err)
	}
	return text
}

func (g *gateway) act(action string, params ...string) string {
	g.t.Helper()
	var b strings.Builder
	for i := 0; i+1 < len(params); i += 2 {
		fmt.Fprintf(&b, "<%[1]s>%[2]s</%[1]s>", params[i], params[i+1])
	}
	return g.ask("default", "<m:do-action><"+action+">"+b.String()+"</"+action+"></m:do-action>")
}

func (g *gateway) status(class string) string {
	g.t.Helper()
	return g.ask("default", `<m:get-status class="`+class+`"/>`)
}

// state is the domain's quiesce state as DomainStatus shows it.
func (g *gateway) state(domain string) string {
	g.t.Helper()
	m := regexp.MustCompile(`<Domain>` + domain + `</Domain>.*?<QuiesceState(?:/>|>([^<]*)<)`).FindStringSubmatch(g.status("DomainStatus"))
	if m == nil {
		g.t.Fatalf("DomainStatus has no domain %s", domain)
	}
	return m[1]
}

const exportAll = `<m:do-export format="ZIP" persisted="%t"><m:object class="all-classes" name="all-objects"/></m:do-export>`

func (g *gateway) export(domain string, persisted bool) []byte {
	g.t.Helper()
	return g.file(g.ask(domain, fmt.Sprintf(exportAll, persisted)))
}

// file decodes the payload of a reply.
func (g *gateway) file(text string) []byte {
	g.t.Helper()
	_, rest, _ := strings.Cut(text, "<dp:file")
	_, rest, _ = strings.Cut(rest, ">")
	payload, _, found := strings.Cut(rest, "</dp:file>")
	if !found {
		g.t.Fatalf("no file in %.400s", text)
	}
	raw, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		g.t.Fatalf("payload: %v", err)
	}
	return raw
}

func (g *gateway) get(path string) []byte {
	g.t.Helper()
	return g.file(g.ask("default", `<m:get-file name="`+path+`"/>`))
}

func control(t *testing.T, f *dpsim.Fleet, path, body string) map[string]any {
	t.Helper()
	resp := need.Value(http.Post(f.Control()+path, "application/json", strings.NewReader(body)))(t)
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s %s: %s %s", path, body, resp.Status, text)
	}
	out := map[string]any{}
	json.Unmarshal(text, &out)
	return out
}

func unzip(t *testing.T, raw []byte) (*zip.Reader, error) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return z, err
		}
		_, err = io.Copy(io.Discard, r)
		r.Close()
		if err != nil {
			return z, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return z, nil
}

func want(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in %.600s", p, text)
		}
	}
}

func wantNot(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q in %.600s", p, text)
		}
	}
}
