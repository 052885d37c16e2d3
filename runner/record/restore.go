package record

import (
	"encoding/json"
	"fmt"

	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
)

// Restore is all that is needed to find out what became of a restore without its
// run and its plan.
type Restore struct {
	Endpoint
	Set            string `json:"set,omitempty"` // what was to be restored; empty: a file
	Shown          string `json:"shown"`         // the same in words
	WayBackSet     string `json:"way_back_set"`
	Archive        string `json:"archive"`  // absolute paths, in the state directory
	WayBack        string `json:"way_back"` // of what the target was before
	RewriteLocalIP bool   `json:"rewrite_local_ip,omitempty"`
	// Policy is the path of a copy of the deployment policy, beside the archive;
	// empty: there is none. Variables are for it.
	Policy    string            `json:"policy,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
}

// Obligation is what is owed from before the import on: to say what became of it.
func (r Restore) Obligation(o lifecycle.Obligation, run, plan, identity string) (pending.Obligation, error) {
	row := Run{Spec: lifecycle.RunSpec{ID: run, Plan: plan}}.row(o, identity)
	body, err := json.Marshal(r)
	if err != nil {
		return row, fmt.Errorf("encode the restore of %s: %w", row.Where(), err)
	}
	row.Endpoint = body
	return row, nil
}

// RestoreOf reads the restore that is owed.
func RestoreOf(o pending.Obligation) (Restore, error) {
	var r Restore
	if err := json.Unmarshal(o.Endpoint, &r); err != nil {
		return r, fmt.Errorf("read what is known of the restore of %s: %w", o.Where(), err)
	}
	return r, nil
}
