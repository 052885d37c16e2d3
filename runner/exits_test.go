package runner_test

import (
	"testing"

	"github.com/dprun/dprun/runner"
)

func TestExitCodesAreInOrderAndExplained(t *testing.T) {
	t.Parallel()
	last := -1
	for _, e := range runner.Exits() {
		if e.Code <= last || e.Meaning == "" || e.Cause == "" || e.Action == "" {
			t.Errorf("after %d: %+v", last, e)
		}
		last = e.Code
	}
	if last != runner.ExitSIGTERM {
		t.Errorf("the last one is %d", last)
	}
}
