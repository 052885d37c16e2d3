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
	if err := ctx.Err(); err != nil {
		return nil, failure.From(err)
	}
	call, end := h.p.cancellable(ctx)
	defer end()
	stream, err := h.c.Run(call, &pluginv1.RunRequest{Instance: h.id, Context: r.Context, Env: r.Env, Dir: r.Dir, Arguments: r.Arguments})
	if err != nil {
		return nil, h.p.fail(failure.CallRun, err)
	}
	var rep *sdk.RunReport
	err = drain(ctx, h.p, failure.CallRun, stream, func(e *pluginv1.RunEvent) bool {
		if e.Output != nil && output != nil {
			output(sdk.Output{Stream: wire.Word[sdk.Stream](e.Output.Stream), Text: string(e.Output.Text)})
		}
		if e.Done == nil {
			return false
		}
		rep = &sdk.RunReport{ExitCode: int(e.Done.ExitCode), Tail: string(e.Done.Tail)}
		for k, v := range e.Done.Outputs {
			if rep.Outputs == nil {
				rep.Outputs = make(map[string]json.RawMessage, len(e.Done.Outputs))
			}
			rep.Outputs[k] = v
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return rep, nil
}
