package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
)

// build makes the plugin's binary in a plugin directory.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "dprun-plugin-memdir"), ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func TestAThirdPartyPluginConformsInItsOwnProcess(t *testing.T) {
	t.Parallel()
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.Program(filepath.Join(build(t), "dprun-plugin-memdir")), Kind: schema.KindDestination, Type: "memdir", Config: cty.EmptyObjectVal,
	}) {
		t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
	}
}

func TestItDescribesItselfWithoutAHost(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(build(t), "dprun-plugin-memdir")
	out, err := exec.Command(bin, "describe").Output()
	if err != nil {
		t.Fatal(err)
	}
	var s schema.Plugin
	if err := json.Unmarshal(out, &s); err != nil || s.Name != "memdir" || s.Destinations[0].Config.Attribute("capacity") == nil {
		t.Errorf("got %s, %v", out, err)
	}
	cmd := exec.Command(bin)
	cmd.Env = os.Environ()
	text, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(text), `the dprun plugin "memdir"`) {
		t.Errorf("got %s, %v", text, err)
	}
}
