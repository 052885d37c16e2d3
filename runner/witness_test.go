package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/testfixtures/need"
)

// A process that died before it wrote its record left a signature, which is none of
// the record that follows, whether that is signed or not.
func TestTheSignatureOfARecordThatWasNeverWrittenIsNoneOfTheNext(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	left := filepath.Join(r.state.Evidence(), evidence.FileName(1)+signing.Suffix)
	need.Done(t, os.WriteFile(left, []byte("of another record"), 0o600))
	need.Value(r.witness(t.Context(), r.kept.Load().journal, nil, evidence.Record{Kind: evidence.Acknowledge}))(t)
	found := need.Value(VerifyEvidence(VerifyEvidenceRequest{Paths: []string{r.state.Evidence()}}))(t)
	if found.ExitCode != 0 || len(found.Faults) > 0 || len(found.Chains) != 1 {
		t.Errorf("exit %d, faults %+v", found.ExitCode, found.Faults)
	}
}
