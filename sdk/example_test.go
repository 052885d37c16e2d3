package sdk_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// A script reports how it ended. What it prints on its way goes to output.
func ExampleNewHook() {
	type config struct {
		Greeting string `dprun:"greeting,required"`
	}
	offered := sdk.NewHook(schema.HookType{Name: "greet", Doc: "Greets."},
		func(_ context.Context, c config, _ sdk.Env) (sdk.Hook, error) { return greeter{c.Greeting}, nil },
		func(c config, known func(path ...string) bool) []schema.Diagnostic {
			if known("greeting") && c.Greeting == "" {
				return []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "No greeting", Detail: "greeting says something.", Path: []string{"greeting"}}}
			}
			return nil
		})
	p := sdk.Plugin{Name: "greet", Version: "1.0.0", Hooks: []sdk.HookType{offered}} // main: sdk.Serve(p)
	found, err := p.Validate(schema.KindHook, "greet", "", cty.ObjectVal(map[string]cty.Value{"greeting": cty.StringVal("")}))
	fmt.Println(found[0].Summary, found[0].Path, err)

	report, err := greeter{"hello"}.Run(context.Background(), sdk.RunRequest{Arguments: []string{"world"}}, func(o sdk.Output) { fmt.Print(o.Text) })
	fmt.Println(report.ExitCode, err)
	// Output:
	// No greeting [greeting] <nil>
	// hello [world]
	// 0 <nil>
}

type greeter struct{ greeting string }

func (g greeter) Run(_ context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	output(sdk.Output{Stream: sdk.Stdout, Text: fmt.Sprintln(g.greeting, r.Arguments)})
	return &sdk.RunReport{Tail: g.greeting}, nil
}

func (g greeter) Close() error { return nil }

// A destination that implements [sdk.Reader] gives back what it keeps, and says
// how far it is.
func ExampleReader() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var d sdk.Reader = shelf{"a.zip": "content"}
	r, err := d.Fetch(context.Background(), sdk.FetchRequest{Path: "a.zip", File: filepath.Join(dir, "copy")}, func(n int64) { fmt.Println(n, "bytes so far") })
	fmt.Println(r.Size, err)
	_, err = d.Fetch(context.Background(), sdk.FetchRequest{Path: "b.zip", File: filepath.Join(dir, "none")}, func(int64) {})
	fmt.Println(err)
	// Output:
	// 7 bytes so far
	// 7 <nil>
	// fetch b.zip: it is not there
}

type shelf map[string]string

func (s shelf) Fetch(_ context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	text, ok := s[r.Path]
	if !ok {
		return nil, failure.New(failure.NotFound, failure.NoSuchFile, "fetch %s: it is not there", r.Path)
	}
	f, err := os.OpenFile(r.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "fetch %s: %w", r.Path, err)
	}
	n, err := io.WriteString(f, text)
	progress(int64(n)) // as often as one likes
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "fetch %s: %w", r.Path, err)
	}
	sum := sha256.Sum256([]byte(text))
	return &sdk.FetchReport{Size: int64(n), SHA256: hex.EncodeToString(sum[:])}, nil
}
