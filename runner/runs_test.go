package runner

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/testfixtures/need"
)

// A list of more runs than one read returns has every run once, and a cursor
// continues behind its run.
func TestRunsGoOnFromACursor(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	const n = 2*runsPage + 3
	begun := time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	var want []string // the newest first
	for i := range n {
		run := journal.Run{ID: fmt.Sprintf("R%04d", n-i), Plan: []string{"a", "b"}[i%2], Spec: []byte("{}"), Started: begun.Add(time.Duration(i/2) * time.Second)}
		need.Done(t, r.kept.Load().journal.CreateRun(t.Context(), run))
	}
	listed := func(q RunsRequest) (ids []string) {
		for run, err := range r.Runs(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, run.ID)
		}
		return ids
	}
	all, err := r.kept.Load().journal.Runs(t.Context(), journal.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ofB []string
	for _, run := range all {
		want = append(want, run.ID)
		if run.Plan == "b" {
			ofB = append(ofB, run.ID)
		}
	}
	for name, c := range map[string]struct {
		q    RunsRequest
		want []string
	}{
		"all":             {RunsRequest{}, want},
		"of a plan":       {RunsRequest{Plan: "b"}, ofB},
		"a limit":         {RunsRequest{Limit: runsPage + 1}, want[:runsPage+1]},
		"from a cursor":   {RunsRequest{After: want[1], Limit: 2}, want[2:4]},
		"after the last":  {RunsRequest{After: want[n-1]}, nil},
		"of a plan, then": {RunsRequest{Plan: "b", After: ofB[0]}, ofB[1:]},
	} {
		if d := cmp.Diff(c.want, listed(c.q)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
