package record

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/runner/signing"
)

// Secrets reads secrets again, each reference once, relative to the directory of the
// plan that names it. A secret may have changed since the run began.
type Secrets struct {
	environ []string
	redact  *redact.Redactor
	log     *slog.Logger

	mu     sync.Mutex
	stores map[string]*secret.Store // by directory
}

// NewSecrets returns a reader of secrets. It makes every secret that it reads known to
// the redactor.
func NewSecrets(environ []string, r *redact.Redactor, log *slog.Logger) *Secrets {
	return &Secrets{environ: environ, redact: r, log: log, stores: map[string]*secret.Store{}}
}

func (x *Secrets) in(dir string) *secret.Store {
	if dir == "" { // older versions did not write it down
		dir = "/"
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.stores[dir]
	if s == nil {
		at := dir
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			x.log.Warn("the directory of the plan is gone: commands for secrets run in / instead; those that need it cannot work until it is back", "directory", dir)
			at = "/"
		}
		s = secret.New(at, x.environ, x.redact)
		x.stores[dir] = s
	}
	return s
}

// Signing returns the keys of a plan's signing block; nil: it has none.
func (x *CompiledPlan) Signing() (*signing.Keys, error) {
	if x.plan.Signing.IsNull() {
		return nil, nil
	}
	return keysOf(x.reveal(x.plan.Signing))
}

// Signing returns the keys for the signatures of a run that is being finished; nil: it
// does not sign. If the keys cannot be read again, every signature fails.
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
