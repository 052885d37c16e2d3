package api

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

var fuzzFor = flag.Duration("fuzz-api", 3*time.Second, "how long requests are made from the API's description")

// requests makes requests from the description: most as it asks for, some with one
// thing that it forbids.
type requests struct {
	*rand.Rand
	api     *huma.OpenAPI
	seeds   map[string][]string // by name of a parameter: what is there
	cursors []string
}

var odd = []string{"", " ", "/", "..", "../../etc/passwd", "%00", "\x00", "\x1b[2J", "ü", "\u202e", "latest", "0", "-1", "99999999999999999999", "1e400", "null", "true", "[]", "{}",
	"'; drop table runs; --", "%", "_", "*", "a,b", "device=", "device=gw-*,domain=[", "=", strings.Repeat("x", 5000), "2026-11-28T02:30:00Z", "26h", "-5s", "journal", "night", "\xff\xfe"}

func (g *requests) text(s *huma.Schema) string {
	if g.IntN(3) == 0 {
		return odd[g.IntN(len(odd))]
	}
	n := 1 + g.IntN(12)
	if s.MinLength != nil {
		n += *s.MinLength
	}
	b := make([]rune, n)
	for i := range b {
		b[i] = []rune("abcdefghijklmnopqrstuvwxyz0123456789-_./=é ")[g.IntN(43)]
	}
	return string(b)
}

// value makes a value of a schema.
func (g *requests) value(name string, s *huma.Schema, depth int) any {
	if s.Ref != "" {
		s = g.api.Components.Schemas.SchemaFromRef(s.Ref)
	}
	if g.IntN(40) == 0 { // another type
		return []any{nil, true, -1.5, odd[g.IntN(len(odd))], []any{nil}, map[string]any{"x": nil}}[g.IntN(6)]
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[g.IntN(len(s.Enum))]
	case s.Type == "object" && depth < 5:
		out := map[string]any{}
		for field, of := range s.Properties {
			if slices.Contains(s.Required, field) && g.IntN(30) > 0 || g.IntN(2) == 0 {
				out[field] = g.value(field, of, depth+1)
			}
		}
		if g.IntN(40) == 0 {
			out[g.text(s)] = g.text(s)
		}
		return out
	case s.Type == "array":
		out := []any{}
		for range g.IntN(4) {
			out = append(out, g.value(name, s.Items, depth+1))
		}
		return out
	case s.Type == "integer":
		return []any{0, 1, 2, 50, 500, 501, -1, 1 << 40}[g.IntN(8)]
	case s.Type == "boolean":
		return g.IntN(2) == 0
	}
	if seeds := g.seeds[name]; len(seeds) > 0 && g.IntN(3) > 0 {
		return seeds[g.IntN(len(seeds))]
	}
	return g.text(s)
}

func (g *requests) request(t *testing.T, r Route, op *huma.Operation) *http.Request {
	path, query := r.Path, url.Values{}
	header := http.Header{}
	for _, p := range op.Parameters {
		v := fmt.Sprint(g.value(p.Name, p.Schema, 0))
		switch {
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(v), 1)
		case p.In == "header" && g.IntN(20) > 0:
			header.Set(p.Name, strings.ToValidUTF8(strings.Map(func(c rune) rune {
				if c < ' ' {
					return '.'
				}
				return c
			}, v), "?"))
		case p.In == "query" && g.IntN(2) == 0:
			if p.Name == "cursor" && len(g.cursors) > 0 && g.IntN(3) > 0 {
				v = g.cursors[g.IntN(len(g.cursors))]
			}
			query.Add(p.Name, v)
		}
	}
	if g.IntN(30) == 0 {
		query.Add(g.text(&huma.Schema{}), "x")
	}
	body := ""
	if op.RequestBody != nil {
		text, err := json.Marshal(g.value("", op.RequestBody.Content["application/json"].Schema, 0))
		need.Done(t, err)
		body = string(text)
		header.Set("Content-Type", "application/json")
		switch g.IntN(30) {
		case 0:
			body = body[:g.IntN(len(body)+1)]
		case 1:
			body = odd[g.IntN(len(odd))]
		case 2:
			header.Set("Content-Type", odd[g.IntN(3)])
		}
	}
	target, err := url.Parse(path)
	if err != nil {
		target = &url.URL{Path: path}
	}
	target.RawQuery = query.Encode()
	req := httptest.NewRequestWithContext(t.Context(), r.Method, "http://h"+target.EscapedPath()+"?"+target.RawQuery, strings.NewReader(body))
	req.Header = header
	return req
}

func TestRequestsMadeFromTheDescriptionFindNoInternalError(t *testing.T) {
	t.Parallel()
	h, seeds, err := fuzzed(t)
	need.Done(t, err)
	a := h.(*api)
	_, routes, err := Describe()
	need.Done(t, err)
	routes = slices.DeleteFunc(routes, func(r Route) bool { return r.pace.most == 0 }) // they follow
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := &requests{Rand: rand.New(rand.NewPCG(seed, 1)), api: a.huma.OpenAPI(), seeds: seeds}
	callers := []access.Principal{admin, {Name: "v", Key: "v", Role: access.Viewer}, {Name: "n", Key: "n", Role: access.Admin, Plans: []string{"night"}},
		{Name: "f", Key: "f", Role: access.Operator, Labels: map[string]string{"site": "fra"}}}
	statuses := map[int]int{}
	for until := time.Now().Add(*fuzzFor); time.Now().Before(until); {
		r := routes[g.IntN(len(routes))]
		req := g.request(t, r, operations(a.huma.OpenAPI().Paths[r.Path])[r.Method])
		req = req.WithContext(access.With(req.Context(), callers[g.IntN(len(callers))]))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		statuses[w.Code]++
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable && w.Code != http.StatusBadGateway {
			t.Errorf("%s %s: %d %s", req.Method, req.URL, w.Code, w.Body)
		}
		conforms(t, req, w)
		if strings.Contains(w.Body.String(), "hush-hush") {
			t.Errorf("%s %s tells the password", req.Method, req.URL)
		}
		var started report.Started
		if w.Code == http.StatusAccepted && json.Unmarshal(w.Body.Bytes(), &started) == nil && started.Run != "" {
			g.seeds["run"] = append(g.seeds["run"][max(0, len(g.seeds["run"])-20):], started.Run)
		}
		var list struct{ Next string }
		if w.Code == http.StatusOK && json.Unmarshal(w.Body.Bytes(), &list) == nil && list.Next != "" && len(g.cursors) < 50 {
			g.cursors = append(g.cursors, list.Next)
		}
	}
	t.Logf("replies by status: %v", statuses)
	if *fuzzFor > time.Second && (statuses[200] == 0 || statuses[404] == 0 || statuses[422] == 0) {
		t.Errorf("the requests are too much alike: %v", statuses)
	}
}

// bundled are the plugins of the server that the requests are made to.
var bundled = map[string]func() sdk.Plugin{"datapower": datapower.Plugin, "file": file.Plugin}

func TestMain(m *testing.M) {
	runner.ServePlugin(os.Args[1:], bundled)
	os.Exit(m.Run())
}

// fuzzed is a server with two plans whose gateways do not answer, and what is there
// to be named. What it starts runs, and fails.
func fuzzed(t *testing.T) (http.Handler, map[string][]string, error) {
	dir, plans := t.TempDir(), t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "password"), []byte("hush-hush-hush"), 0o600))
	for name, site := range map[string]string{"night": "fra", "other": "ber"} {
		need.Done(t, os.WriteFile(filepath.Join(plans, name+".hcl"), fmt.Appendf(nil, `
device "datapower" "gw-%[2]s" {
  labels = { site = %[2]q }
  config {
    host     = "127.0.0.1"
    port     = 1
    username = "backup"
    password = secret_file("%[3]s/password")
  }
}
destination "file" "disk" {
  config { directory = %[3]q }
}
plan %[1]q {
  destinations = [destination.file.disk]
  activity "export_domain" "all" {
    devices = ["*"]
    domains = ["orders"]
  }
}
`, name, site, dir), 0o600))
	}
	r, err := runner.Open(runner.Options{StateDir: filepath.Join(dir, "state"), Version: "0.0.0", Bundled: bundled})
	if err != nil {
		return nil, nil, err
	}
	signals, ready, ended := make(chan string, 2), make(chan *runner.Service, 1), make(chan error, 1)
	go func() {
		ended <- r.Serve(context.Background(), runner.ServeRequest{Plans: plans, Signals: signals, Web: func(s *runner.Service) (func(), error) {
			ready <- s
			return func() {}, nil
		}})
	}()
	t.Cleanup(func() {
		signals <- "SIGTERM"
		if err := <-ended; err != nil {
			t.Error(err)
		}
		need.Done(t, r.Close())
	})
	var s *runner.Service
	select {
	case s = <-ready:
	case err := <-ended:
		ended <- nil
		return nil, nil, err
	}
	for {
		if _, _, is := s.Ready(); is {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	all, err := s.Plans(t.Context())
	if err != nil {
		return nil, nil, err
	}
	seeds := map[string][]string{"plan": {"night", "other"}, "reference": {"night"}, "device": {"gw-fra", "gw-ber"}, "target": {"gw-fra", "journal"}, "run": {"latest"}, "record": {"1", "2"},
		"only": {"device=gw-fra", "domain=orders"}, "text": {"plan \"x\" {}"}, "max_age": {"26h"}}
	for _, p := range all {
		seeds["file"] = append(seeds["file"], p.File)
	}
	if len(all) != 2 || all[0].Plan == "" || all[1].Plan == "" {
		return nil, nil, fmt.Errorf("it serves %+v %+v", all, all[0].Broken)
	}
	plugins := runner.OpenPlugins(runner.PluginOptions{Bundled: bundled, Version: "0.0.0", Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = plugins.Close() })
	h, err := New(Options{Reads: s.Reads(), Desk: s, Open: func() (Fresh, error) { return runner.Open(s.Reads().Options) },
		Check: func(ctx context.Context, text string) (report.Posted, error) {
			return plugins.ValidatePosted(ctx, "plan.hcl", []byte(text))
		}})
	return h, seeds, err
}
