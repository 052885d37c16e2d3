package execute

import (
	"context"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// dropBox is a destination from which nothing can be read.
type dropBox struct{ sdk.Destination }

func (b dropBox) Check(context.Context) (*sdk.DestinationReport, error) {
	return &sdk.DestinationReport{Location: "box", WriteOnly: "permission denied"}, nil
}

type planOf struct {
	Plan
	verify sdk.Verify
}

func (p planOf) Destination(context.Context, string) (Endpoint, sdk.Verify, error) {
	return Endpoint{Type: "box"}, p.verify, nil
}

type pluginsOf struct {
	Plugins
	d sdk.Destination
}

func (p pluginsOf) Destination(context.Context, string, cty.Value) (sdk.Destination, error) {
	return p.d, nil
}

func TestADestinationThatCannotBeReadFailsItsCheckUnlessThePlanAsksForNoReading(t *testing.T) {
	t.Parallel()
	for verify, want := range map[sdk.Verify]failure.Reason{sdk.VerifyReadBack: failure.NoAccess, sdk.VerifySent: ""} {
		x := New(Options{Plan: planOf{verify: verify}, Plugins: pluginsOf{d: dropBox{}}, Clock: clock.System{}})
		_, err := x.checkDestination(t.Context(), engine.Job{Action: lifecycle.Action{Destination: "d"}})
		if got := failure.From(err); (got == nil) != (want == "") || got != nil && got.Reason != want {
			t.Errorf("verify %s: got %v, want reason %q", verify, err, want)
		}
	}
}

// A run that is recovered stores a manifest without a check before it. A row at
// a root that does not exist would never be found again.
func TestTheRootOfADestinationIsAskedForWhereItWasNotChecked(t *testing.T) {
	t.Parallel()
	x := New(Options{Plan: planOf{verify: sdk.VerifySent}, Plugins: pluginsOf{d: dropBox{}}, Clock: clock.System{}})
	if got := x.root(t.Context(), "d", "file 7 of the box", "gw1/a.dprun.json"); got != "box" {
		t.Errorf("it is %q", got)
	}
}
