package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestTheDocumentedPluginConforms runs the program of docs/writing-plugins.md
// as dprun does, and asks of it what every script must do.
func TestTheDocumentedPluginConforms(t *testing.T) {
	t.Parallel()
	file := need.Value(poster())(t)
	stop := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/well", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a-secret-token" {
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
	posting := func(path string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal(server.URL + path), "token": cty.StringVal("a-secret-token")})
	}
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.Program(file), Kind: schema.KindHook, Type: "poster", Config: posting("/well"), Fails: posting("/badly"), Hangs: posting("/never"),
	}) {
		t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
	}
}
