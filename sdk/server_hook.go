package sdk

import (
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

type hookServer struct {
	pluginv1.UnimplementedHookServer
	s *Server
}

func (h hookServer) Run(r *pluginv1.RunRequest, stream pluginv1.Hook_RunServer) error {
	i, err := instance[Hook](h.s, r.Instance)
	if err != nil {
		return err
	}
	out := newSender(stream.Send)
	defer out.close()
	rep, err := i.Run(stream.Context(), RunRequest{Context: r.Context, Env: r.Env, Dir: r.Dir, Arguments: r.Arguments}, func(o Output) {
		out.event(&pluginv1.RunEvent{Output: &pluginv1.Output{Stream: wire.Enum[pluginv1.Stream](o.Stream), Text: []byte(o.Text)}}, false)
	})
	if err := answered(rep, err, failure.CallRun); err != nil {
		return err
	}
	done := &pluginv1.RunReport{ExitCode: int32(rep.ExitCode), Tail: []byte(rep.Tail), Outputs: make(map[string][]byte, len(rep.Outputs))}
	for k, v := range rep.Outputs {
		done.Outputs[k] = v
	}
	out.event(&pluginv1.RunEvent{Done: done}, false)
	return nil
}
