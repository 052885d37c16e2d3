package runner

import (
	"slices"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/signing"
)

// Keys names the identities that decrypt what is stored encrypted.
type Keys struct {
	Files []string // files of age-keygen and ssh-keygen
	// Ask asks a person for the passphrase of a file; nil: nobody can be asked.
	Ask func(file string) ([]byte, error)
}

// read reads the identities; nil: none are given.
func (k Keys) read() (*cipher.Identities, error) {
	if len(k.Files) == 0 {
		return nil, nil
	}
	out, err := cipher.Read(k.Files, k.Ask)
	if err != nil {
		return nil, &Error{ExitUsage, err}
	}
	return out, nil
}

// readBack refuses destinations if no set that is stored now could be read from
// any of them.
func (k Keys) readBack(at []*plan.Destination) error {
	ids, err := k.read()
	if err != nil {
		return err
	}
	readable := func(d *plan.Destination) bool {
		set, err := recipient.ParseSet(d.Recipients)
		return err == nil && (len(set) == 0 || ids.Opens(set.Fingerprints()))
	}
	if !slices.ContainsFunc(at, readable) {
		return errorf(ExitUsage, "the restore reads its way back from the plan's destinations, and each of them is encrypted: give the file with the secret key of one of their recipients with --identity")
	}
	return nil
}

// keysOf returns the keys of a plan's signing block; nil: there is no block or no
// plan. So wrong keys are found before anything is contacted.
func (r *Runner) keysOf(loaded *Loaded, p *plan.Plan) (*signing.Keys, error) {
	if p == nil {
		return nil, nil
	}
	keys, err := record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact).Signing()
	if err != nil {
		return nil, errorf(ExitInvalid, "plan %s: %w", p.Name, err)
	}
	return keys, nil
}
