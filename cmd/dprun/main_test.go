package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/mutants"
)

// TestMain makes the test binary stand for dprun: as the command of scripts,
// and as the process that serves a bundled plugin.
func TestMain(m *testing.M) {
	pluginhost.ServeBundled(os.Args[1:], bundled())
	testscript.Main(m, map[string]func(){"dprun": main, "greet-plugin": greet,
		"vault-plugin": func() { mutants.Main("") }, "careless-plugin": func() { mutants.Main("overwrites") }})
}

// greet is an installed plugin with one script, which has the version that $GREET_VERSION says.
func greet() {
	sdk.Serve(sdk.Plugin{Name: "greet", Version: os.Getenv("GREET_VERSION"), Hooks: []sdk.HookType{sdk.NewHook(schema.HookType{Name: "greet"},
		func(context.Context, struct{}, sdk.Env) (sdk.Hook, error) { return nil, errors.New("nobody runs it") }, nil)}})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("DPRUN_STATE_DIR", filepath.Join(e.WorkDir, ".state"))
			e.Setenv("TZ", "UTC")
			e.Setenv("GOOS", runtime.GOOS)
			e.Setenv("GOARCH", runtime.GOARCH)
			e.Values[fleetKey{}] = &running{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fleet":   fleet,
			"break":   breaking,
			"mend":    mend,
			"exits":   exits,
			"archive": makeArchive,
			"unsaved": unsaved,
			"damage":  damage,
			"types":   types,
			"pack":    pack,
		},
	})
}

// exits runs dprun and checks the exit code: exits CODE ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("dprun", args[1:]...)
	got := 0
	if err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("dprun %s: %v", strings.Join(args[1:], " "), err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("dprun %s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// pack packs a version of the plugin greet into a mirror, as an archive: pack VERSION MIRROR [WHAT IT CALLS ITSELF]
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pack VERSION MIRROR [WHAT IT CALLS ITSELF]")
	}
	file := fmt.Sprintf("%s/plugins.example.com/backup/greet/dprun-plugin-greet_%s_%s_%s.zip", ts.MkAbs(args[1]), args[0], runtime.GOOS, runtime.GOARCH)
	f, err := os.Create(file)
	ts.Check(err)
	z := zip.NewWriter(f)
	for name, text := range map[string]string{"dprun-plugin-greet": ts.ReadFile("1.0.0/dprun-plugin-greet"), "VERSION": args[len(args)-1]} {
		if name == "VERSION" && len(args) == 2 {
			text = args[0]
		}
		w, err := z.Create(name)
		ts.Check(err)
		_, err = w.Write([]byte(text))
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(f.Close())
}

// types lists the types of the JSON objects on standard output, each once in
// a row, and compares: types version run task_status summary
func types(ts *testscript.TestScript, neg bool, args []string) {
	var got []string
	for l := range strings.Lines(ts.ReadFile("stdout")) {
		var o struct{ Type string }
		if err := json.Unmarshal([]byte(l), &o); err != nil || o.Type == "" {
			ts.Fatalf("no object with a type: %q", l)
		}
		if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+o.Type+" ") {
			got = append(got, o.Type)
		}
	}
	if have, want := strings.Join(got, " "), strings.Join(args, " "); (have == want) == neg {
		ts.Fatalf("types in the order of appearance: %s, want %s", have, want)
	}
}

// fleet starts simulated gateways for the rest of the script and writes
// ready.json: fleet DEVICES DOMAINS [FAULT=DOMAIN]...
func fleet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fleet DEVICES DOMAINS [FAULT=DOMAIN]...")
	}
	devices, err := strconv.Atoi(args[0])
	ts.Check(err)
	domains, err := strconv.Atoi(args[1])
	ts.Check(err)
	f, err := startFleet(devices, domains, ts.MkAbs("."))
	ts.Check(err)
	ts.Defer(f.Close)
	ts.Value(fleetKey{}).(*running).fleet = f
	breaking(ts, false, args[2:])
	ts.Check(f.WriteReady(ts.MkAbs("ready.json")))
}

// fleetKey is where a script keeps its fleet.
type fleetKey struct{}

type running struct{ fleet *dpsim.Fleet }

// breaking sets faults: break FAULT=DOMAIN...
func breaking(ts *testscript.TestScript, _ bool, args []string) {
	for _, a := range args {
		kind, domain, _ := strings.Cut(a, "=")
		ts.Check(ts.Value(fleetKey{}).(*running).fleet.AddFault(dpsim.Fault{Kind: kind, Domain: domain}))
	}
}

// unsaved changes the running configuration of a domain of gw-1: unsaved DOMAIN
func unsaved(ts *testscript.TestScript, _ bool, args []string) {
	yes := true
	ts.Check(ts.Value(fleetKey{}).(*running).fleet.Edit(dpsim.Edit{Device: "gw-1", Domain: args[0], SaveNeeded: &yes}))
}

// mend takes all faults away.
func mend(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Value(fleetKey{}).(*running).fleet.ClearFaults(dpsim.Fault{}))
}

// makeArchive fabricates a whole export: archive FILE [OBJECTS]
func makeArchive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: archive FILE [OBJECTS]")
	}
	objects := append(args, "")[1]
	contents := []byte("<xsl:stylesheet version='1.0'/>" + strings.Repeat("\n", len(args)-1))
	sum := sha1.Sum(contents)
	list := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<datapower-configuration version="3">
<export-details><description>Exported Configuration</description><user>admin</user><domain>orders</domain><comment/>
<product-id>5725</product-id><product>IDG</product><device-name>gw-1</device-name><serial-number>0000001</serial-number><firmware-version>IDG.10.0.1.5</firmware-version>
<current-date>2026-11-23</current-date><current-time>21:40:00 UTC</current-time></export-details>
<configuration domain="orders">%s</configuration>
<files><file name="local:///a.xsl" src="local/a.xsl" location="local" hash=%q/></files>
</datapower-configuration>
`, objects, base64.StdEncoding.EncodeToString(sum[:]))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range []struct {
		name string
		text []byte
	}{{"export.xml", []byte(list)}, {"local/a.xsl", contents}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store})
		ts.Check(err)
		_, err = w.Write(e.text)
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// damage replaces a text in a file by another of the same length: damage FILE OLD NEW
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: damage FILE OLD NEW (of the same length)")
	}
	old := ts.ReadFile(args[0])
	changed := strings.Replace(old, args[1], args[2], 1)
	if changed == old {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(changed), 0o600))
}
