package execute

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/script"
)

// scriptLimit bounds a script whose plan names no timeout.
const scriptLimit = 10 * time.Minute

// script runs a hook for an action.
func (x *Executor) script(ctx context.Context, j engine.Job) (*event.Result, error) {
	limit := j.Action.Timeout
	if limit <= 0 {
		limit = scriptLimit
	}
	ctx, cancel := x.limited(ctx, limit)
	defer cancel()
	r, err := x.hook(ctx, j, j.Action.Script, x.scope(j), x.scriptContext(j))
	if err != nil {
		return nil, late(ctx, err)
	}
	x.putOut(r.Outputs)
	return &event.Result{Script: r}, nil
}

// Notify runs a script for a notification, until ctx ends. It is not an action
// of the run, so its failure means nothing for the run; the caller handles it.
func (x *Executor) Notify(ctx context.Context, address string, c script.Context) error {
	r, err := x.hook(ctx, engine.Job{}, address, Scope{Run: x.Run, Plan: x.PlanName, Status: c.Status, Outputs: x.outputsSoFar()}, c)
	if err == nil && r.ExitCode != 0 {
		return fmt.Errorf("it returned %d%s", r.ExitCode, lifecycle.LastLine(r.Tail))
	}
	return err
}

// hook runs a script once. Its instance lives for that one run, because the
// configuration is evaluated for this task.
func (x *Executor) hook(ctx context.Context, j engine.Job, address string, at Scope, c script.Context) (*sdk.RunReport, error) {
	e, dpod, err := x.Plan.Script(ctx, address, at)
	if err != nil {
		return nil, err
	}
	h, err := x.Plugins.Hook(ctx, e.Type, e.Config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.Close() }()
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	req := sdk.RunRequest{Context: x.Redact.JSON(body), Env: scriptEnv(c), Dir: x.Dir}
	if dpod {
		host, port := x.endpoint(ctx, j)
		req.Arguments = dpodArguments(c, host, port)
	}
	return h.Run(ctx, req, func(o sdk.Output) {
		for line := range strings.Lines(o.Text) {
			x.Output(c.Task, string(o.Stream), strings.TrimRight(line, "\r\n"))
		}
	})
}

func (x *Executor) scriptContext(j engine.Job) script.Context {
	c := script.Context{Version: 1, Hook: j.Action.Hook, Run: x.Run, Plan: x.PlanName, Status: string(j.Action.Outcome), Message: j.Action.OutcomeMessage}
	if j.Task != nil {
		c.Task, c.Activity, c.Type, c.Device, c.Domain = j.Task.ID, j.Task.Activity.Name, j.Task.Activity.Type, j.Task.Device, j.Task.Domain
		c.Domain = cmp.Or(c.Domain, "ALL")
	}
	if j.Prepared != nil {
		c.Stamp = j.Prepared.Stamp
	}
	for _, cap := range j.Captured {
		for _, a := range cap.Artifacts {
			c.Files = append(c.Files, script.File{File: a.File, Variant: cap.Variant, Size: a.Size, SHA256: a.SHA256})
		}
	}
	for _, s := range j.Results {
		c.Tasks = append(c.Tasks, script.Task{Task: s.Task, Activity: s.Activity, Type: j.Types[s.Activity], Device: s.Device, Domain: s.Domain, Status: s.Code, Message: s.Message})
	}
	return c
}

// scriptEnv gives the context's single values as DPRUN_* variables.
func scriptEnv(c script.Context) map[string]string {
	env := map[string]string{"DPRUN_HOOK": c.Hook, "DPRUN_RUN": c.Run, "DPRUN_PLAN": c.Plan}
	for k, v := range map[string]string{"TASK": c.Task, "ACTIVITY": c.Activity, "TYPE": c.Type, "DEVICE": c.Device, "DOMAIN": c.Domain, "STAMP": c.Stamp, "STATUS": c.Status, "MESSAGE": c.Message} {
		if v != "" {
			env["DPRUN_"+k] = v
		}
	}
	return env
}

// endpoint returns the host and port of the job's device, as its configuration
// has them. Without a host it returns the device's name.
func (x *Executor) endpoint(ctx context.Context, j engine.Job) (host, port string) {
	if j.Task == nil {
		return "", ""
	}
	host = j.Task.Device
	e, err := x.Plan.Device(ctx, j.Task.Device)
	if err != nil || !e.Config.Type().IsObjectType() {
		return host, ""
	}
	text := func(name, otherwise string) string {
		if !e.Config.Type().HasAttribute(name) {
			return otherwise
		}
		v, err := convert.Convert(e.Config.GetAttr(name), cty.String)
		if err != nil || !v.IsKnown() || v.IsNull() {
			return otherwise
		}
		return v.AsString()
	}
	return text("host", host), text("port", "")
}

// dpodArguments are the reference product's positional arguments, so that
// scripts written for it run unchanged.
func dpodArguments(c script.Context, host, port string) []string {
	message := c.Message
	if message == "" || c.Status == "SUCCESS" {
		message = "NONE"
	}
	switch c.Hook {
	case "plan_pre":
		return []string{"BACKUP-PLAN", "PRE", c.Run, c.Plan}
	case "plan_post", "notify":
		var tasks []string
		for _, t := range c.Tasks {
			tasks = append(tasks, strings.Join([]string{t.Task, dpodAction(t.Type), t.Device, t.Domain, t.Status}, ","))
		}
		return []string{"BACKUP-PLAN", "POST", c.Run, c.Plan, c.Status, message, "FFU", "FFU", strings.Join(tasks, "~")}
	case "post":
		return []string{"BACKUP-TASK", "POST", c.Task, c.Plan, c.Status, message, "FFU", "FFU"}
	}
	return []string{"BACKUP-TASK", "PRE", c.Task, c.Plan, dpodAction(c.Type), c.Device, host, port, c.Domain}
}

// dpodAction is what the reference product calls an activity.
func dpodAction(activity string) string {
	if activity == "secure_backup" {
		return "secureBackup"
	}
	return "exportDomain"
}
