package runner

import (
	"context"
	"fmt"

	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/permit"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk/schema"
)

// credentials keep the accounts that an operation logs in with from being
// locked out. Without a journal only what is owed is done, and that is not asked.
func (r *Runner) credentials(j *journal.Journal) (execute.Credentials, error) {
	if j == nil {
		return nil, nil
	}
	key, err := r.state.Key()
	if err != nil {
		return nil, err
	}
	return &permit.Credentials{Journal: j, Clock: r.Clock, Key: key, Schema: func(ctx context.Context, typ string) (schema.Block, error) {
		offers, err := r.plugins.host.Schemas(ctx, pluginhost.Ref{Kind: schema.KindSource, Type: typ})
		if err != nil {
			return schema.Block{}, err
		}
		for _, p := range offers {
			for _, s := range p.Sources {
				if s.Name == typ {
					return s.Config, nil
				}
			}
		}
		return schema.Block{}, fmt.Errorf("no plugin offers the device type %q", typ)
	}}, nil
}
