package sftp

import (
	"os"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	key := need.Value(os.ReadFile(s.PrivateKey))(t)
	config := cty.ObjectVal(map[string]cty.Value{
		"host": cty.StringVal(s.Host), "port": cty.NumberIntVal(int64(s.Port)), "username": cty.StringVal(s.User),
		"private_key": cty.StringVal(string(key)), "known_hosts": cty.StringVal(s.KnownHosts), "directory": cty.StringVal(s.Dir),
	})
	for _, c := range conformance.Cases(conformance.Subject{Start: conformance.InProcess(Plugin()), Kind: schema.KindDestination, Type: "sftp", Config: config}) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}
