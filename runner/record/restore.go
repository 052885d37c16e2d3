package record

import (
	"encoding/json"
	"fmt"

	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
)

// Restore is what is needed to find out how a restore ended without its run and its
// plan.
type Restore struct {
	Endpoint
	Set            string `json:"set,omitempty"` // the set to restore; empty: a file
	Shown          string `json:"shown"`         // the same in words
	WayBackSet     string `json:"way_back_set"`
	Archive        string `json:"archive"`  // an absolute path in the state directory, like the next
	WayBack        string `json:"way_back"` // of the target's state before the restore
	RewriteLocalIP bool   `json:"rewrite_local_ip,omitempty"`
	// Policy is the path of a copy of the deployment policy, beside the archive; empty:
	// there is none. Variables are those of the policy.
	Policy    string            `json:"policy,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
}

// Obligation returns the duty, from before the import on, to find out how the restore
// ended.
func (r Restore) Obligation(o lifecycle.Obligation, run, plan, identity string) (pending.Obligation, error) {
	row := Run{Spec: lifecycle.RunSpec{ID: run, Plan: plan}}.row(o, identity)
	body, err := json.Marshal(r)
	if err != nil {
		return row, fmt.Errorf("encode the restore of %s: %w", row.Where(), err)
	}
	row.Endpoint = body
	return row, nil
}

// RestoreOf reads the restore that an obligation is about.
func RestoreOf(o pending.Obligation) (Restore, error) {
	var r Restore
	if err := json.Unmarshal(o.Endpoint, &r); err != nil {
		return r, fmt.Errorf("read what is known of the restore of %s: %w", o.Where(), err)
	}
	return r, nil
}
