package sftp

import (
	"context"
	"os"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	key := need.Value(os.ReadFile(s.PrivateKey))(t)
	p, stop, err := conformance.Serve(Plugin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	config, err := Plugin().Schema().Destinations[0].Config.ApplyDefaults(cty.ObjectVal(map[string]cty.Value{
		"host": cty.StringVal(s.Host), "port": cty.NumberIntVal(int64(s.Port)), "username": cty.StringVal(s.User),
		"private_key": cty.StringVal(string(key)), "known_hosts": cty.StringVal(s.KnownHosts), "directory": cty.StringVal(s.Dir),
	}))
	if err != nil {
		t.Fatal(err)
	}
	open := func(ctx context.Context) (sdk.Destination, error) { return p.ConfigureDestination(ctx, "sftp", config) }
	for _, c := range conformance.Destination(open, conformance.DestinationOptions{}) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}
