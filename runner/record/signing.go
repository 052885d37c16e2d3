package record

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/signing"
)

// Signing gives the keys of a plan's signing block; nil: it has none.
func (x *CompiledPlan) Signing() (*signing.Keys, error) {
	if x.plan.Signing.IsNull() {
		return nil, nil
	}
	return keysOf(x.reveal(x.plan.Signing))
}

// Signing gives the keys with which a run signs that is being finished; nil: it
// does not. Where they cannot be read again, each signature fails.
func (r Run) Signing(secrets *Secrets) *signing.Keys {
	if r.Keys == nil {
		return nil
	}
	e, err := r.Keys.Open(secrets)
	if err != nil {
		return signing.Broken(fmt.Errorf("the key of `signing`: %w", err))
	}
	k, err := keysOf(e.Config)
	if err != nil {
		return signing.Broken(err)
	}
	return k
}

func keysOf(v cty.Value) (*signing.Keys, error) {
	text := func(name string) string {
		if e := v.GetAttr(name); !e.IsNull() && e.IsKnown() {
			return e.AsString()
		}
		return ""
	}
	return signing.New(text("key"), text("passphrase"), text("allowed_signers"))
}
