package runner

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/event"
)

func TestAPreviewSaysWhatItWaitsForAndNothingElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := previewing{log: slog.New(slog.NewTextHandler(&out, nil))}
	p.Status(event.Status{Task: "x/gw/app", Message: "a task's"})
	p.Status(event.Status{Message: "the end", Final: true})
	p.Status(event.Status{Message: "waiting for destination sftp.vault"})
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "waiting for destination sftp.vault") {
		t.Errorf("logged:\n%s", got)
	}
}
