package runner

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// scripts checks the program of every script that the run may run.
func (c *checking) scripts(ctx context.Context) {
	seen := map[string]bool{}
	look := func(s *lifecycle.Script, at execute.Scope) {
		if s == nil || seen[s.Address] {
			return
		}
		seen[s.Address] = true
		c.about(report.CheckScript, s.Address, c.script(ctx, s.Address, at))
	}
	at := execute.Scope{Run: "check", Plan: c.spec.Plan, Stamp: stampShown, Status: "SUCCESS"}
	look(c.spec.PreScript, at)
	look(c.spec.PostScript, at)
	for _, n := range c.loaded.Config.Plan(c.spec.Plan).Notify {
		look(&lifecycle.Script{Address: n.Script.Address}, at)
	}
	for _, a := range c.spec.Activities {
		at.Activity = a.Name
		if len(a.Devices) > 0 {
			at.Device = a.Devices[0]
		}
		for _, s := range []*lifecycle.Script{a.PreScript, a.BeforeQuiesce, a.AfterUnquiesce, a.PostScript} {
			look(s, at)
		}
	}
}

// script reports whether the user who runs the check may run a script's program.
func (c *checking) script(ctx context.Context, address string, at execute.Scope) sdk.Finding {
	const check = "executable"
	e, _, err := c.plan.Script(ctx, address, at)
	if err != nil {
		return sdk.Finding{Check: check, Level: sdk.LevelNotProven, Message: "its program is only known during a run: " + err.Error()}
	}
	name := program(c.loaded.inputs.Schemas, e)
	if name == "" {
		return sdk.Finding{Check: check, Level: sdk.LevelNotProven, Message: "its configuration is complete and its secrets could be read; only a run shows whether it works"}
	}
	path := name
	if strings.ContainsRune(name, '/') && !filepath.IsAbs(name) {
		dir := c.loaded.Config.Dir
		if t := e.Config.Type(); t.HasAttribute("working_directory") {
			if v := e.Config.GetAttr("working_directory"); v.IsKnown() && !v.IsNull() && v.Type() == cty.String && v.AsString() != "" {
				dir = v.AsString()
			}
		}
		path = filepath.Join(dir, name)
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return sdk.Finding{Check: check, Level: sdk.LevelError, Subject: name, Message: fmt.Sprintf("its program cannot be run: %v", err),
			Remedy: "correct the command, or make the program executable for the user that dprun runs as (chmod +x)"}
	}
	return sdk.Finding{Check: check, Level: sdk.LevelOK, Subject: found, Message: "its program is there and executable; it was not run"}
}

// program returns the program that a script's configuration names; empty: it
// names none.
func program(s plan.Schemas, e execute.Endpoint) string {
	attributes := s.Hooks[e.Type].Config.Attributes
	i := slices.IndexFunc(attributes, func(a schema.Attribute) bool { return a.Format == schema.FormatProgram })
	if i < 0 || !e.Config.Type().HasAttribute(attributes[i].Name) {
		return ""
	}
	v := e.Config.GetAttr(attributes[i].Name)
	if !v.IsWhollyKnown() || v.IsNull() || !v.CanIterateElements() || v.LengthInt() == 0 {
		return ""
	}
	first := v.Index(cty.Zero)
	if first.IsNull() || first.Type() != cty.String {
		return ""
	}
	return first.AsString()
}
