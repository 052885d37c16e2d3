package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestTheDocumentedPluginConforms runs the program of docs/writing-plugins.md
// as dprun does, and asks of it what every script must do.
func TestTheDocumentedPluginConforms(t *testing.T) {
	t.Parallel()
	file := need.Value(webhook())(t)
	stop := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/well", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "thank you")
	})
	mux.HandleFunc("/badly", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/never", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	host := pluginhost.New(pluginhost.Options{Dir: filepath.Dir(file), WorkDir: t.TempDir()})
	t.Cleanup(func() { _ = host.Close() })
	open := func(path string) func(context.Context) (sdk.Hook, error) {
		return func(ctx context.Context) (sdk.Hook, error) {
			return host.Hook(ctx, "webhook", cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal(server.URL + path), "token": cty.StringVal("token")}))
		}
	}
	for _, c := range conformance.Hook(conformance.HookOptions{Succeeds: open("/well"), Fails: open("/badly"), Hangs: open("/never")}) {
		t.Run(c.Name, func(t *testing.T) { c.Run(t.Context(), t) })
	}
}
