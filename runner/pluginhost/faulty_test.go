package pluginhost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// The test binary is host, bundled plugin and third-party plugin.
func TestMain(m *testing.M) {
	served := bundled()
	served["gateway"], served["fragile"] = gateways, fragiles
	pluginhost.ServeBundled(os.Args[1:], served)
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "dprun-plugin-"); ok {
		fmt.Println("hello from a plugin that talks before it serves")
		if name == "liar" {
			name = "honest"
		}
		sdk.Serve(faulty(name))
	}
	if len(os.Args) == 4 && os.Args[1] == "__host" {
		hostMain(os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{"faulty": func() sdk.Plugin { return faulty("faulty") }}
}

type config struct {
	Mode string `dprun:"mode,required"`
	File string `dprun:"file" format:"path"`
	Text string `dprun:"text,sensitive"`
}

// faulty offers one hook that goes wrong in the way its configuration says.
func faulty(name string) sdk.Plugin {
	return sdk.Plugin{
		Name: name, Version: "1.2.3", Env: []string{"FAULTY_WANTS"},
		Hooks: []sdk.HookType{sdk.NewHook(schema.HookType{Name: name},
			func(_ context.Context, c config, env sdk.Env) (sdk.Hook, error) {
				if c.Mode == "hang-configure" {
					time.Sleep(time.Hour)
				}
				if c.Mode == "late" { // as when this end of the call sees first that the time is over
					return nil, failure.New(failure.Timeout, "", "too late")
				}
				if c.Mode == "refuse" {
					return nil, failure.New(failure.Precondition, failure.BadConfig, "configure: no").WithRemedy("say yes")
				}
				return &faultyHook{c, env}, nil
			},
			func(c config, known func(...string) bool) []schema.Diagnostic {
				if known("mode") && c.Mode == "hang-validate" {
					time.Sleep(time.Hour)
				}
				if known("mode") && c.Mode == "invalid" {
					return []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "Invalid mode", Detail: "d " + c.Text, Path: []string{"mode"}}}
				}
				return nil
			})},
	}
}

type faultyHook struct {
	c   config
	env sdk.Env
}

func (f *faultyHook) Close() error { return nil }

func (f *faultyHook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	switch f.c.Mode {
	case "panic":
		panic("in the handler")
	case "crash":
		go func() { panic("in a goroutine, with " + f.c.Text) }()
		select {}
	case "exit":
		fmt.Fprintln(os.Stderr, "giving up on "+f.c.Text)
		os.Exit(3)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "hang":
		select {}
	case "tidy": // takes its time to clean up
		output(sdk.Output{Stream: sdk.Stdout, Text: "begun"})
		<-ctx.Done()
		time.Sleep(300 * time.Millisecond)
		_ = os.WriteFile(f.c.File, []byte("tidied"), 0o600)
		return nil, failure.From(ctx.Err())
	case "noise":
		fmt.Println("on stdout")
		_, _ = syscall.Write(1, []byte("on descriptor 1\n"))
		_, _ = os.Stderr.WriteString("{\"@message\": 5}\nnot json\n" + strings.Repeat("long ", 100_000) + "\n")
		f.env.Log.Info("a line with "+f.c.Text, "n", 1)
	case "large":
		return &sdk.RunReport{Tail: strings.Repeat("x", len(r.Context)-2)}, nil
	case "tell":
		output(sdk.Output{Stream: sdk.Stdout, Text: "printed " + f.c.Text})
		return &sdk.RunReport{Tail: "tail " + f.c.Text, Outputs: map[string]json.RawMessage{"o": json.RawMessage(`"` + f.c.Text + `"`)}}, nil
	case "silent":
		return nil, nil
	case "plain":
		return nil, fmt.Errorf("an untyped error")
	}
	daemon := 0
	if f.c.Mode == "daemon" { // leaves the plugin's group and session
		cmd := exec.Command("sleep", "600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		daemon = cmd.Process.Pid
	}
	stdin, _ := io.ReadAll(os.Stdin)
	pgid, _ := syscall.Getpgid(0)
	cwd, _ := os.Getwd()
	info, _ := os.Stat(cwd)
	facts := map[string]any{
		"env": os.Environ(), "pid": os.Getpid(), "pgid": pgid, "cwd": cwd, "mode": info.Mode().Perm(), "stdin": len(stdin), "temp": f.env.TempDir,
		"extra": isOpen(3) && isOpen(4), "daemon": daemon,
	}
	raw, err := json.Marshal(facts)
	return &sdk.RunReport{Outputs: map[string]json.RawMessage{"facts": raw}}, err
}

func isOpen(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil
}

// hostMain is a host that is killed: it prints its plugin's pid and waits.
func hostMain(dir, mode string) {
	h := pluginhost.New(pluginhost.Options{Bundled: bundled(), WorkDir: dir})
	k, err := h.Hook(context.Background(), "faulty", cfg(mode, ""))
	if err != nil {
		panic(err)
	}
	r, err := k.Run(context.Background(), sdk.RunRequest{}, nil)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", r.Outputs["facts"])
	select {}
}
