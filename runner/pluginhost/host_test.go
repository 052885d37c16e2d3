package pluginhost_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

const secret = "hunter2hunter2"

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newHost(t *testing.T, change func(*pluginhost.Options)) (*pluginhost.Host, *safeBuffer) {
	t.Helper()
	log := &safeBuffer{}
	o := pluginhost.Options{
		Bundled: bundled(), WorkDir: t.TempDir(),
		Log:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Redact: func(s string) string { return strings.ReplaceAll(s, secret, "(sensitive)") },
	}
	if change != nil {
		change(&o)
	}
	h := pluginhost.New(o)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, log
}

func cfg(mode, file string) cty.Value {
	f := cty.NullVal(cty.String)
	if file != "" {
		f = cty.StringVal(file)
	}
	return cty.ObjectVal(map[string]cty.Value{"mode": cty.StringVal(mode), "file": f, "text": cty.StringVal(secret)})
}

func newHook(t *testing.T, h *pluginhost.Host, mode, file string) sdk.Hook {
	t.Helper()
	k := need.Value(h.Hook(t.Context(), "faulty", cfg(mode, file)))(t)
	return k
}

type facts struct {
	Env   []string    `json:"env"`
	PID   int         `json:"pid"`
	PGID  int         `json:"pgid"`
	Cwd   string      `json:"cwd"`
	Mode  os.FileMode `json:"mode"`
	Stdin int         `json:"stdin"`
	Temp  string      `json:"temp"`
	Extra bool        `json:"extra"`

	Daemon int `json:"daemon"`
}

func run(t *testing.T, k sdk.Hook) facts {
	t.Helper()
	r, err := k.Run(t.Context(), sdk.RunRequest{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var f facts
	need.Done(t, json.Unmarshal(r.Outputs["facts"], &f))
	return f
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 100 {
		if !alive(pid) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("process %d is still alive", pid)
}

func wantFailure(t *testing.T, err error, kind failure.Kind, reason failure.Reason, texts ...string) {
	t.Helper()
	f, ok := errors.AsType[*failure.Error](err)
	if !ok {
		t.Fatalf("got %v, want a failure", err)
	}
	if f.Kind != kind || f.Reason != reason {
		t.Errorf("got %s/%s, want %s/%s: %v", f.Kind, f.Reason, kind, reason, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("a secret stands in %q", err)
	}
}

func TestAPluginRunsAlone(t *testing.T) {
	t.Setenv("FAULTY_WANTS", "this")
	t.Setenv("SECRET_OF_THE_HOST", secret)
	t.Setenv("SSL_CERT_FILE", "/roots.pem")
	t.Setenv("SSL_CERT_DIR", "/roots")
	t.Setenv("GODEBUG", "fips140=on")
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	lock := need.Value(os.Create(filepath.Join(t.TempDir(), "lock")))(t)
	defer func() { _ = lock.Close() }()
	h, _ := newHost(t, func(o *pluginhost.Options) { o.ExtraFiles = []*os.File{lock} })
	first := newHook(t, h, "ok", "")
	f := run(t, first)
	for _, e := range f.Env {
		if strings.Contains(e, secret) {
			t.Errorf("the host's environment leaks: %s", e)
		}
	}
	for _, want := range []string{"FAULTY_WANTS=this", "SSL_CERT_FILE=/roots.pem", "SSL_CERT_DIR=/roots", "GODEBUG=fips140=on", "GORACE=atexit_sleep_ms=0"} {
		if !slices.Contains(f.Env, want) {
			t.Errorf("%s is not passed on", want)
		}
	}
	if f.PGID != f.PID || f.PID == os.Getpid() {
		t.Errorf("pid %d, group %d", f.PID, f.PGID)
	}
	if f.Stdin != 0 || f.Mode != 0o700 || !strings.HasPrefix(f.Temp, f.Cwd) || !f.Extra {
		t.Errorf("stdin %d bytes, directory %s %v, temp %s, extra files %v", f.Stdin, f.Cwd, f.Mode, f.Temp, f.Extra)
	}
	if other := run(t, newHook(t, h, "ok", "")); other.PID != f.PID {
		t.Error("two instances run in two processes")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	waitGone(t, f.PID)
	if _, err := os.Stat(f.Cwd); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the private directory is left behind: %v", err)
	}
}

func TestACrashIsExplained(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"crash": {"faulty 1.2.3", "exit status 2", "panic: in a goroutine, with (sensitive)"},
		"exit":  {"faulty 1.2.3", "exit status 3", "giving up on (sensitive)"},
		"kill":  {"faulty 1.2.3", "signal: killed"},
	}
	for mode, texts := range tests {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h, log := newHost(t, nil)
			other := newHook(t, h, "ok", "")
			before := run(t, other)
			_, err := newHook(t, h, mode, "").Run(t.Context(), sdk.RunRequest{}, nil)
			wantFailure(t, err, failure.Unavailable, failure.Crashed, texts...)
			if strings.Contains(log.String(), secret) {
				t.Error("a secret stands in the log")
			}
			if after := run(t, other); after.PID == before.PID {
				t.Error("the other instance still speaks to the dead process")
			}
		})
	}
}

func TestRestartsAreBounded(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	k := newHook(t, h, "exit", "")
	for range 4 {
		_, err := k.Run(t.Context(), sdk.RunRequest{}, nil)
		wantFailure(t, err, failure.Unavailable, failure.Crashed, "exit status 3")
	}
	_, err := k.Run(t.Context(), sdk.RunRequest{}, nil)
	wantFailure(t, err, failure.Unavailable, failure.Crashed, "not started again")
}

func TestFailuresKeepTheirClass(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, nil)
	_, err := h.Hook(t.Context(), "faulty", cfg("refuse", ""))
	wantFailure(t, err, failure.Precondition, failure.BadConfig, "configure: no", "say yes")
	_, err = newHook(t, h, "panic", "").Run(t.Context(), sdk.RunRequest{}, nil)
	wantFailure(t, err, failure.Internal, "", "panicked: in the handler")
	// The plugin's standard error is relayed beside its answer.
	for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), "faulty_test.go"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the log has no stack of the panic")
		}
	}
	_, err = newHook(t, h, "silent", "").Run(t.Context(), sdk.RunRequest{}, nil)
	wantFailure(t, err, failure.Internal, failure.Protocol)
	_, err = newHook(t, h, "plain", "").Run(t.Context(), sdk.RunRequest{}, nil)
	wantFailure(t, err, failure.Internal, "", "untyped")
	_, err = h.Hook(t.Context(), "faulty", cfg("ok", "").Mark("secret"))
	wantFailure(t, err, failure.Internal, failure.Protocol, "marked")
	run(t, newHook(t, h, "ok", "")) // all of that in one process that lives
}

func TestACancelledCallReturnsWhenThePluginIsDone(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	for name, kind := range map[string]failure.Kind{"cancel": failure.Cancelled, "deadline": failure.Timeout} {
		file := filepath.Join(t.TempDir(), "tidied")
		k := newHook(t, h, "tidy", file)
		ctx, cancel := context.WithCancel(t.Context())
		if name == "deadline" {
			ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
		}
		_, err := k.Run(ctx, sdk.RunRequest{}, func(sdk.Output) {
			if name == "cancel" {
				cancel()
			}
		})
		cancel()
		wantFailure(t, err, kind, "")
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: the call returned before the plugin had tidied up: %v", name, err)
		}
	}
}

func TestAHangEndsWithTheHost(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	pid := run(t, newHook(t, h, "ok", "")).PID
	k := newHook(t, h, "hang", "")
	done := make(chan error, 1)
	go func() {
		_, err := k.Run(t.Context(), sdk.RunRequest{}, nil)
		done <- err
	}()
	time.Sleep(100 * time.Millisecond)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil { // a service manager asks everybody
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if !alive(pid) {
		t.Fatal("a SIGTERM ended the plugin")
	}
	need.Done(t, syscall.Kill(pid, syscall.SIGKILL))
	wantFailure(t, <-done, failure.Unavailable, failure.Crashed)
}

func TestNoiseGoesToTheLog(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, nil)
	run(t, newHook(t, h, "noise", ""))
	need.Done(t, h.Close())
	for _, want := range []string{"on stdout", "on descriptor 1", "not json", "a line with (sensitive)", "plugin=faulty"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not have %q", want)
		}
	}
}

func TestWhatAPluginTellsHoldsNoSecret(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	printed := ""
	r, err := newHook(t, h, "tell", "").Run(t.Context(), sdk.RunRequest{}, func(o sdk.Output) { printed += o.Text })
	if err != nil {
		t.Fatal(err)
	}
	if all := printed + "|" + r.Tail + "|" + string(r.Outputs["o"]); all != `printed (sensitive)|tail (sensitive)|"(sensitive)"` {
		t.Errorf("got %s", all)
	}
}

// A fleet's results are a long list on the way to a script; a plugin's answer
// is short, and one that is not takes no memory here.
func TestMessagesFromAPluginAreSmall(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	k := newHook(t, h, "large", "")
	pad := func(n int) []byte { return append(append([]byte(`"`), bytes.Repeat([]byte("x"), n)...), '"') }
	r, err := k.Run(t.Context(), sdk.RunRequest{Context: pad(3 << 20)}, nil)
	if err != nil || len(r.Tail) != 3<<20 {
		t.Fatalf("%v", err)
	}
	_, err = k.Run(t.Context(), sdk.RunRequest{Context: pad(20 << 20)}, nil)
	wantFailure(t, err, failure.Internal, failure.Protocol, "faulty 1.2.3", "4 MiB")
	run(t, newHook(t, h, "ok", "")) // nothing else is hurt
}

func TestAPluginThatSaysItselfThatItIsLateIsNamed(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	_, err := h.Hook(t.Context(), "faulty", cfg("late", ""))
	wantFailure(t, err, failure.Timeout, "", "faulty 1.2.3", "take its configuration", "no answer within 1m", "report it")
}

func TestAPluginThatHangsIsNamed(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, func(o *pluginhost.Options) { o.AnswerLimit = 300 * time.Millisecond })
	_, err := h.Hook(t.Context(), "faulty", cfg("hang-configure", ""))
	wantFailure(t, err, failure.Timeout, "", "faulty 1.2.3", "take its configuration", "no answer within 300ms", "report it")
	dir := t.TempDir()
	install(t, dir, "third")
	h, _ = newHost(t, func(o *pluginhost.Options) { o.Dir = dir; o.AnswerLimit = 5 * time.Second })
	_, err = h.Validate(t.Context(), schema.KindHook, "third", "", cfg("hang-validate", ""))
	wantFailure(t, err, failure.Timeout, "", "third 1.2.3 (sha256 ", "check a configuration", "no answer within 5s", "report it")
}

// What a plugin started in a session of its own ends with it, however it ends.
func TestWhatAPluginStartedEndsWithIt(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*pluginhost.Host, facts) {
		h, _ := newHost(t, nil)
		f := run(t, newHook(t, h, "daemon", ""))
		if f.Daemon == 0 || !alive(f.Daemon) {
			t.Fatal("the daemon is not there")
		}
		return h, f
	}
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		h, f := start(t)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		waitGone(t, f.Daemon)
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		_, f := start(t)
		need.Done(t, syscall.Kill(f.PID, syscall.SIGKILL))
		waitGone(t, f.Daemon)
	})
}

func TestAKilledHostLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	exe := need.Value(os.Executable())(t)
	cmd := exec.Command(exe, "__host", t.TempDir(), "daemon")
	out := need.Value(cmd.StdoutPipe())(t)
	need.Done(t, cmd.Start())
	line := need.Value(bufio.NewReader(out).ReadBytes('\n'))(t)
	var f facts
	need.Done(t, json.Unmarshal(line, &f))
	if !alive(f.PID) {
		t.Fatal("the plugin is not there")
	}
	need.Done(t, cmd.Process.Kill())
	_ = cmd.Wait()
	waitGone(t, f.PID)
	waitGone(t, f.Daemon)
}

// install copies this binary as a third-party plugin.
func install(t *testing.T, dir, name string) string {
	t.Helper()
	exe := need.Value(os.Executable())(t)
	in := need.Value(os.Open(exe))(t)
	defer func() { _ = in.Close() }()
	// No process may be forked while the file is open for writing: the child
	// would keep it open until its exec, and the file could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	path := filepath.Join(dir, "dprun-plugin-"+name)
	out := need.Value(os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755))(t)
	need.Value(io.Copy(out, in))(t)
	need.Done(t, out.Close())
	return path
}

func writeScript(t *testing.T, dir, name, body string) {
	t.Helper()
	syscall.ForkLock.RLock() // see install
	defer syscall.ForkLock.RUnlock()
	need.Done(t, os.WriteFile(filepath.Join(dir, "dprun-plugin-"+name), []byte("#!/bin/sh\n"+body), 0o755))
}

func TestAnInstalledPluginIsVerifiedAndCached(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	path := install(t, dir, "third")
	h, log := newHost(t, func(o *pluginhost.Options) { o.Dir, o.CacheDir = dir, cache })
	s := need.Value(h.Describe(t.Context(), "third"))(t)
	if s.Version != "1.2.3" || !slices.Equal(h.Names(), []string{"faulty", "third"}) {
		t.Errorf("got %+v, names %v", s, h.Names())
	}
	if files, _ := filepath.Glob(filepath.Join(cache, "describe-*.json")); len(files) != 1 {
		t.Errorf("cache holds %v", files)
	}
	ds, err := h.Validate(t.Context(), schema.KindHook, "third", "", cfg("invalid", ""))
	if err != nil || len(ds) != 1 || ds[0].Detail != "d (sensitive)" {
		t.Errorf("got %v, %v", ds, err)
	}
	k := need.Value(h.Hook(t.Context(), "third", cfg("exit", "")))(t)
	info := need.Value(h.Info("third"))(t)
	_, err = k.Run(t.Context(), sdk.RunRequest{}, nil)
	wantFailure(t, err, failure.Unavailable, failure.Crashed, "third 1.2.3 (sha256 "+info.Digest[:12]+")")
	if !strings.Contains(log.String(), "talks before it serves") {
		t.Error("what it printed before it served is lost")
	}

	f := need.Value(os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0))(t)
	_, _ = f.WriteString("changed")
	_ = f.Close()
	_, err = k.Run(t.Context(), sdk.RunRequest{}, nil)
	wantFailure(t, err, failure.Unavailable, failure.Crashed, "checksums did not match")
}

func TestInstalledPluginsAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("not locked", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		install(t, dir, "third")
		h, _ := newHost(t, func(o *pluginhost.Options) {
			o.Dir, o.Locked = dir, func(name, file string) *failure.Error {
				return failure.New(failure.Denied, failure.BadConfig, "%s is not locked", name)
			}
		})
		_, err := h.Describe(t.Context(), "third")
		wantFailure(t, err, failure.Denied, failure.BadConfig, "not locked")
	})
	t.Run("another name", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		install(t, dir, "liar")
		h, _ := newHost(t, func(o *pluginhost.Options) { o.Dir = dir })
		_, err := h.Describe(t.Context(), "liar")
		wantFailure(t, err, failure.Precondition, failure.Protocol, `calls itself "honest"`)
	})
	t.Run("no plugin at all", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		writeScript(t, dir, "script", "echo hello\necho no >&2\nexit 5\n")
		h, _ := newHost(t, func(o *pluginhost.Options) { o.Dir = dir })
		_, err := h.Describe(t.Context(), "script")
		wantFailure(t, err, failure.Unavailable, failure.Crashed, "exit status 5", "no")
	})
}

func TestUnknownTypesAreNamed(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	got, err := h.Schemas(t.Context(), pluginhost.Ref{Kind: schema.KindHook, Type: "faulty"}, pluginhost.Ref{Kind: schema.KindHook, Type: "fualty"},
		pluginhost.Ref{Kind: schema.KindHook, Type: "faulty_other"}, pluginhost.Ref{Kind: schema.KindDestination, Type: "faulty"})
	if len(got) != 1 || got[0].Name != "faulty" {
		t.Errorf("got %v", got)
	}
	u, ok := errors.AsType[*pluginhost.UnknownTypeError](err)
	if !ok || u.Suggestion != "faulty" || !slices.Equal(u.Known, []string{"faulty"}) {
		t.Errorf("got %v", err)
	}
	if n := strings.Count(err.Error(), "no plugin offers"); n != 3 {
		t.Errorf("%d errors: %v", n, err)
	}
}

func TestAStartIsGivenUpWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeScript(t, dir, "slow", "sleep 600\n")
	h, _ := newHost(t, func(o *pluginhost.Options) { o.Dir = dir })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := h.Describe(ctx, "slow")
	wantFailure(t, err, failure.Timeout, "")
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("took %v", d)
	}
}
