package view

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/report"
)

func TestOnlyYesGoesOn(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, " YES \n": true, "y\n": false, "\n": false, "": false, "no\n": false, "yes": true} {
		var out bytes.Buffer
		got := Ask(t.Context(), strings.NewReader(answer), &out, report.Disruption{Plan: "nightly", Activities: []string{"domains"}, Devices: []string{"fra-1", "fra-\x1b2"}})
		if got != want {
			t.Errorf("%q: %v, want %v", answer, got, want)
		}
		asked := "Plan nightly quiesces domains or whole devices, which takes them out of service, in activity domains on 2 devices:\n  fra-1\n  fra-\uFFFD2\nOnly \"yes\" goes on: "
		if !strings.HasSuffix(answer, "\n") {
			asked += "\n"
		}
		same(t, "asked", out.String(), asked)
	}
}

func TestASignalAnswersNo(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if Ask(ctx, r, io.Discard, report.Disruption{}) {
		t.Error("went on")
	}
}

func TestOnlyTheNameOfTheDeviceGoesOn(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"gw1\n": true, " gw1 \n": true, "GW1\n": false, "yes\n": false, "\n": false, "": false} {
		var out bytes.Buffer
		if got := AskName(t.Context(), strings.NewReader(answer), &out, report.Rehearsal{Device: "gw1", Domain: "orders", Archive: "set 01"}); got != want {
			t.Errorf("%q: %v, want %v", answer, got, want)
		}
		if !strings.HasPrefix(out.String(), "An import into a domain at work is an outage. Domain orders of gw1 gets what set 01 holds.\n") {
			t.Errorf("asked %q", out.String())
		}
	}
	if AskName(t.Context(), strings.NewReader("\n"), io.Discard, report.Rehearsal{}) {
		t.Error("no name is no answer")
	}
}
