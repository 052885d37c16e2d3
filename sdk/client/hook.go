package client

import (
	"context"
	"encoding/json"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

type hook struct {
	instance
	c pluginv1.HookClient
}

var _ sdk.Hook = (*hook)(nil)

func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	return follow(ctx, h.p, failure.CallRun, h.c.Run, &pluginv1.RunRequest{Instance: h.id, Context: r.Context, Env: r.Env, Dir: r.Dir, Arguments: r.Arguments}, func(e *pluginv1.RunEvent) *sdk.RunReport {
		if e.Output != nil && output != nil {
			output(sdk.Output{Stream: wire.Word[sdk.Stream](e.Output.Stream), Text: string(e.Output.Text)})
		}
		if e.Done == nil {
			return nil
		}
		rep := &sdk.RunReport{ExitCode: int(e.Done.ExitCode), Tail: string(e.Done.Tail)}
		for k, v := range e.Done.Outputs {
			if rep.Outputs == nil {
				rep.Outputs = make(map[string]json.RawMessage, len(e.Done.Outputs))
			}
			rep.Outputs[k] = v
		}
		return rep
	})
}
