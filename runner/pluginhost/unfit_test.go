package pluginhost_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// whoever needs a file that cannot be used is told why; nobody else is kept
// from anything.
func TestAFileThatCannotBeUsedIsMissedOnlyByWhoNeedsIt(t *testing.T) {
	t.Parallel()
	do := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, dir string)
		plugin  string // what cannot be used
		kind    failure.Kind
		texts   []string
	}{
		"not executable": {func(t *testing.T, dir string) { do(t, os.Chmod(install(t, dir, "third"), 0o644)) },
			"third", failure.Precondition, []string{"dprun-plugin-third", "not executable", "chmod +x"}},
		"writable by all": {func(t *testing.T, dir string) { do(t, os.Chmod(install(t, dir, "third"), 0o777)) },
			"third", failure.Denied, []string{"dprun-plugin-third", "everybody may write", "chmod go-w"}},
		"a dangling link": {func(t *testing.T, dir string) {
			do(t, os.Symlink("/nonexistent", filepath.Join(dir, "dprun-plugin-third")))
		},
			"third", failure.NotFound, []string{"dprun-plugin-third", "link", "remove"}},
		"a directory": {func(t *testing.T, dir string) { do(t, os.Mkdir(filepath.Join(dir, "dprun-plugin-third"), 0o755)) },
			"third", failure.Precondition, []string{"dprun-plugin-third", "not a file"}},
		"a link into a directory of others": {func(t *testing.T, dir string) {
			open := filepath.Join(dir, "open")
			do(t, os.Mkdir(open, 0o700))
			file := install(t, open, "third")
			do(t, os.Chmod(open, 0o777))
			do(t, os.Symlink(file, filepath.Join(dir, "dprun-plugin-third")))
		}, "third", failure.Denied, []string{"others may write", "chmod go-w"}},
		"a bundled plugin's name": {func(t *testing.T, dir string) { install(t, dir, "faulty") },
			"faulty", failure.Precondition, []string{"dprun-plugin-faulty", "comes with dprun", "another name"}},
		"the directory is open to all": {func(t *testing.T, dir string) { install(t, dir, "third"); do(t, os.Chmod(dir, 0o777)) },
			"third", failure.Denied, []string{"others may write", "chmod go-w"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			do(t, os.Chmod(dir, 0o700))
			tt.prepare(t, dir)
			h, _ := newHost(t, func(o *pluginhost.Options) { o.Dir = dir })
			if _, err := newHook(t, h, "ok", "").Run(t.Context(), sdk.RunRequest{}, nil); err != nil {
				t.Errorf("the bundled plugin: %v", err)
			}
			_, err := h.Schemas(t.Context(), pluginhost.Ref{Kind: schema.KindHook, Type: tt.plugin})
			wantFailure(t, err, tt.kind, failure.BadConfig, tt.texts...)
			if tt.plugin != "faulty" {
				_, err = h.Schemas(t.Context(), pluginhost.Ref{Kind: schema.KindHook, Type: tt.plugin + "_more"})
				wantFailure(t, err, tt.kind, failure.BadConfig, tt.texts...)
				if _, err := h.Schemas(t.Context(), pluginhost.Ref{Kind: schema.KindHook, Type: "faulty"}); err != nil {
					t.Errorf("a plan that does not need it: %v", err)
				}
			}
			found := false
			for _, u := range h.Unfit() {
				found = found || u.Name == tt.plugin && strings.Contains(err.Error(), u.Err.Error())
			}
			if !found {
				t.Errorf("not listed with the same text: %v", h.Unfit())
			}
		})
	}
}

func TestAPluginOfAnotherProtocolVersionIsToldSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.Chmod(dir, 0o700))
	later := "#!/bin/sh\necho '1|2|unix|/nonexistent|grpc|'\nexec sleep 60\n" // go-plugin's first line: protocol version 2
	need.Done(t, os.WriteFile(filepath.Join(dir, "dprun-plugin-later"), []byte(later), 0o755))
	h, _ := newHost(t, func(o *pluginhost.Options) { o.Dir = dir })
	_, err := h.Schemas(t.Context(), pluginhost.Ref{Kind: schema.KindHook, Type: "later"})
	wantFailure(t, err, failure.Precondition, failure.Protocol, "the plugin later", "speaks other versions", "speaks 1", "a build of the plugin")
}

// A type that nobody offers is not what is wrong when the directory cannot be used.
func TestADirectoryThatCannotBeReadIsTheOneCause(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "plugins")
	need.Done(t, os.WriteFile(file, nil, 0o600))
	h, _ := newHost(t, func(o *pluginhost.Options) { o.Dir = file })
	_, err := h.Schemas(t.Context(), pluginhost.Ref{Kind: schema.KindHook, Type: "webhook"})
	wantFailure(t, err, failure.Unavailable, failure.BadConfig, file, "cannot be read")
	if unknown := new(pluginhost.UnknownTypeError); errors.As(err, &unknown) {
		t.Error("a second cause is told")
	}
	if _, err := newHook(t, h, "ok", "").Run(t.Context(), sdk.RunRequest{}, nil); err != nil {
		t.Errorf("the bundled plugin: %v", err)
	}
}
