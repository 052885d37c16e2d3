package settle_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

// looking is a device that keeps what it is asked to compare.
type looking struct {
	sdk.Source
	sdk.Restorer
	asked sdk.ResembleRequest
}

func (l *looking) Close() error { return nil }

func (l *looking) Resembles(_ context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	l.asked = r
	return &sdk.ResembleReport{Of: make([]sdk.Resemblance, len(r.Files))}, nil
}

// The policy is that of the archive: of the way back every difference counts.
func TestARestoreIsLookedAtWithItsPolicyAndItsWayBackExactly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := record.Restore{Archive: filepath.Join(dir, "archive.zip"), WayBack: filepath.Join(dir, "way-back.zip"), Policy: filepath.Join(dir, "policy.xml"), Variables: map[string]string{"a": "b"}, RewriteLocalIP: true}
	for _, name := range []string{r.Archive, r.WayBack} {
		need.Done(t, os.WriteFile(name, nil, 0o600))
	}
	src := &looking{}
	settle.LookAt(t.Context(), src, r, "orders")
	src.asked.Dir = ""
	if diff := cmp.Diff(sdk.ResembleRequest{
		Target: sdk.Target{Domain: "orders"}, Files: []string{r.WayBack, r.Archive}, WayBack: true, Policy: r.Policy, Variables: r.Variables, RewriteLocalIP: true,
	}, src.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}
