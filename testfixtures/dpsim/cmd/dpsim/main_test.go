package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestReadyFileTellsWhereEverythingIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ready.json")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--devices", "2", "--domains", "2", "--export-size", "100KB", "--quiesce-time", "1s", "--ready-file", path, "--spool-dir", dir, "--warm"})
	}()
	var ready dpsim.Ready
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err == nil {
			if err := json.Unmarshal(text, &ready); err != nil {
				t.Fatalf("the file was there before it was whole: %v", err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no ready file")
		}
	}
	if len(ready.Devices) != 2 {
		t.Fatalf("%d devices", len(ready.Devices))
	}
	d := ready.Devices[1]
	if diff := cmp.Diff([]string{"default", "app01", "app02"}, d.Domains); diff != "" {
		t.Error(diff)
	}
	if d.CAFile != filepath.Join(dir, "dpsim-gw-2.pem") || d.Host != "127.0.0.1" || d.Port == 0 || d.Username == "" || d.Password == "" {
		t.Errorf("device %+v", d)
	}
	if _, err := os.Stat(d.CAFile); err != nil {
		t.Error(err)
	}
	resp := need.Value(http.Get(ready.Control + "/state"))(t)
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(ready.Control + "/state"); err == nil {
		t.Error("control answers after the end")
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--devices", "0"}, {"--domains", "-1"}, {"--export-size", "x"}, {"--quiesce-time", "x"}, {"--unknown"}, {"extra"},
		{"--scenario", "/does/not/exist"}, {"--ready-file", "/does/not/exist/ready"},
	} {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		err := run(ctx, args)
		stop()
		if err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
