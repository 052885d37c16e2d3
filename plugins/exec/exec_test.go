package exec_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/exec"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

func serve(t *testing.T) *client.Plugin {
	t.Helper()
	p, stop, err := conformance.Serve(exec.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return p
}

func list(s ...string) cty.Value {
	var vs []cty.Value
	for _, e := range s {
		vs = append(vs, cty.StringVal(e))
	}
	return cty.ListVal(vs)
}

// open configures a hook; what more does not say is left out.
func open(ctx context.Context, p *client.Plugin, command cty.Value, more map[string]cty.Value) (sdk.Hook, error) {
	set := map[string]cty.Value{"command": command}
	for k, v := range more {
		set[k] = v
	}
	s, err := p.Describe(ctx)
	if err != nil {
		return nil, err
	}
	v, err := s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(set))
	if err != nil {
		return nil, err
	}
	return p.ConfigureHook(ctx, "exec", v)
}

func shell(t *testing.T, script string, more map[string]cty.Value) sdk.Hook {
	t.Helper()
	h := need.Value(open(t.Context(), serve(t), list("/bin/sh", "-c", script), more))(t)
	return h
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sh := func(script string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"command": list("/bin/sh", "-c", script), "secrets": cty.MapVal(map[string]cty.Value{"TOKEN": cty.StringVal("a-secret-token")})})
	}
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(exec.Plugin()), Kind: schema.KindHook, Type: "exec",
		Config: sh("echo done"), Fails: sh("exit 3"), Hangs: sh("sleep 100 & sleep 100"),
	}) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}

func wantFailure(t *testing.T, err error, kind failure.Kind, reason failure.Reason) {
	t.Helper()
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != kind || f.Reason != reason {
		t.Errorf("got %v, want %s/%s", err, kind, reason)
	}
}

func TestAScriptIsToldItsContext(t *testing.T) {
	t.Setenv("DPRUN_TEST_LEAK", "leaks")
	dir := t.TempDir()
	h := shell(t, `cat; echo; pwd; echo "$DPRUN_RUN $MORE $0 $1 $DPRUN_TEST_LEAK"; cat "$DPRUN_SECRETS_DIR/TOKEN"; ls -ld "$DPRUN_SECRETS_DIR" | cut -c1-10; ls -l "$DPRUN_SECRETS_DIR" | tail -1 | cut -c1-10; env | grep -c s3cret`,
		map[string]cty.Value{"env": cty.MapVal(map[string]cty.Value{"MORE": cty.StringVal("more")}), "secrets": cty.MapVal(map[string]cty.Value{"TOKEN": cty.StringVal("s3cret\n")})})
	var out strings.Builder
	r, err := h.Run(t.Context(), sdk.RunRequest{Context: json.RawMessage(`{"run":"r1"}`), Env: map[string]string{"DPRUN_RUN": "r1"}, Dir: dir, Arguments: []string{"zero", "one"}},
		func(o sdk.Output) { out.WriteString(o.Text) })
	if err != nil {
		t.Fatal(err)
	}
	want := `{"run":"r1"}` + "\n" + dir + "\nr1 more zero one \ns3cret\ndrwx------\n-rw-------\n0\n"
	if out.String() != want || r.Tail != want {
		t.Errorf("got %q, tail %q, want %q", out.String(), r.Tail, want)
	}
}

func TestOutputsAreRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script, want string
		bad          bool
	}{
		"whole":       {`echo '{"outputs": {"ticket": "T-1", "n": 2}}'`, `{"n":2,"ticket":"T-1"}`, false},
		"last line":   {`echo text; echo '{"outputs": {"a": [1]}}'`, `{"a":[1]}`, false},
		"text":        {`echo '{"other": 1}'; echo text`, `null`, false},
		"none":        {`:`, `null`, false},
		"not in err":  {`echo '{"outputs": {"a": 1}}' >&2`, `null`, false},
		"no object":   {`echo '{"outputs": [1]}'`, ``, true},
		"many lines":  {`printf '{\n"outputs":\n{"a": 1}\n}\n'`, `{"a":1}`, false},
		"half a JSON": {`echo '{"outputs": {'`, `null`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := shell(t, tt.script, nil).Run(t.Context(), sdk.RunRequest{}, nil)
			if tt.bad {
				wantFailure(t, err, failure.Corrupt, failure.BadOutput)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(r.Outputs)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestExitCodesAreTold(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		r, err := shell(t, script, nil).Run(t.Context(), sdk.RunRequest{}, nil)
		if err != nil || r.ExitCode != want {
			t.Errorf("%s: %+v, %v", script, r, err)
		}
	}
}

func TestOutputIsBoundedAndItsEndKept(t *testing.T) {
	t.Parallel()
	var got int
	r, err := shell(t, "yes 0123456789 | head -c 3000000; echo; echo the end", nil).Run(t.Context(), sdk.RunRequest{}, func(o sdk.Output) { got += len(o.Text) })
	if err != nil {
		t.Fatal(err)
	}
	if got < 1<<20 || got > 1<<20+20_000 {
		t.Errorf("%d bytes were passed on", got)
	}
	if !strings.HasSuffix(r.Tail, "the end\n") || len(r.Tail) > 8<<10 || !strings.HasPrefix(r.Tail, "0123456789\n") {
		t.Errorf("tail of %d bytes: %.20q", len(r.Tail), r.Tail)
	}
}

func TestNothingOfAScriptSurvivesItsRun(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"ended":    `sleep 100 & echo $! > "$PIDS"; echo begun`,
		"stubborn": `trap "" TERM; (trap "" TERM; sleep 100) & echo $! > "$PIDS"; echo begun; while :; do sleep 1; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pids")
			h := shell(t, script, map[string]cty.Value{"env": cty.MapVal(map[string]cty.Value{"PIDS": cty.StringVal(pids)})})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := h.Run(ctx, sdk.RunRequest{}, func(sdk.Output) {
				if name == "stubborn" {
					cancel()
				}
			})
			if name == "stubborn" {
				wantFailure(t, err, failure.Cancelled, "")
			} else if err != nil {
				t.Fatal(err)
			}
			raw := need.Value(os.ReadFile(pids))(t)
			pid := need.Value(strconv.Atoi(strings.TrimSpace(string(raw))))(t)
			if alive(pid) {
				time.Sleep(100 * time.Millisecond) // SIGKILL has been sent; the kernel may still be at it
			}
			if alive(pid) {
				t.Errorf("process %d is alive", pid)
			}
		})
	}
}

func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func TestAProgramThatCannotStartIsAFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "plain"), []byte("text"), 0o600))
	need.Done(t, os.WriteFile(filepath.Join(dir, "strange"), []byte("text"), 0o700))
	p := serve(t)
	for command, kind := range map[string]failure.Kind{
		"./missing": failure.NotFound, "no-such-program-anywhere": failure.NotFound, "./plain": failure.Denied, "./strange": failure.Precondition,
	} {
		h := need.Value(open(t.Context(), p, list(command), nil))(t)
		_, err := h.Run(t.Context(), sdk.RunRequest{Dir: dir}, nil)
		wantFailure(t, err, kind, failure.NotExecutable)
	}
}

func TestARelativeProgramIsFoundFromTheWorkingDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.Symlink("/bin/echo", filepath.Join(dir, "say")))
	p := serve(t)
	for name, r := range map[string]sdk.RunRequest{"plan": {Dir: dir}, "configured": {Dir: t.TempDir()}} {
		more := map[string]cty.Value{}
		if name == "configured" {
			more["working_directory"] = cty.StringVal(dir)
		}
		h := need.Value(open(t.Context(), p, list("./say", "hello  there; $HOME"), more))(t)
		got, err := h.Run(t.Context(), r, nil)
		if err != nil || got.Tail != "hello  there; $HOME\n" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestWrongConfigurationsArePointedAt(t *testing.T) {
	t.Parallel()
	s := exec.Plugin().Schema().Hooks[0].Config
	tests := map[string]struct {
		set  map[string]cty.Value
		want string
	}{
		"right":        {map[string]cty.Value{"working_directory": cty.StringVal("/tmp")}, ""},
		"empty":        {map[string]cty.Value{"command": cty.ListValEmpty(cty.String)}, "command"},
		"unknown":      {map[string]cty.Value{"command": cty.UnknownVal(cty.List(cty.String))}, ""},
		"no program":   {map[string]cty.Value{"command": list("")}, "command"},
		"secret name":  {map[string]cty.Value{"secrets": cty.MapVal(map[string]cty.Value{"../x": cty.StringVal("hush")})}, "secrets.../x"},
		"dprun's name": {map[string]cty.Value{"env": cty.MapVal(map[string]cty.Value{"DPRUN_X": cty.StringVal("x")})}, "env.DPRUN_X"},
	}
	for name, tt := range tests {
		set := map[string]cty.Value{"command": list("x")}
		for k, v := range tt.set {
			set[k] = v
		}
		v := need.Value(s.ApplyDefaults(cty.ObjectVal(set)))(t)
		ds := need.Value(exec.Plugin().Validate(schema.KindHook, "exec", "", v))(t)
		got := ""
		for _, d := range ds {
			got += strings.Join(d.Path, ".")
			if strings.Contains(d.Detail, "hush") {
				t.Errorf("%s: a secret is shown", name)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %q %v", name, got, ds)
		}
	}
}
