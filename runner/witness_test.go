package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/testfixtures/need"
)

// A process that died before it wrote its record has left a signature. It does
// not belong to the next record, whether that one is signed or not.
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

// Even a caller who expects an older record learns that the newest one of the
// state directory is gone.
func TestAnOlderRecordThatIsExpectedHidesNoCut(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	first := need.Value(r.witness(t.Context(), r.kept.Load().journal, nil, evidence.Record{Kind: evidence.Acknowledge}))(t)
	need.Value(r.witness(t.Context(), r.kept.Load().journal, nil, evidence.Record{Kind: evidence.Acknowledge}))(t)
	need.Done(t, os.Remove(filepath.Join(r.state.Evidence(), evidence.FileName(2))))
	for _, expect := range []string{"", "1:" + first.Digest} {
		found := need.Value(r.VerifyEvidence(t.Context(), VerifyEvidenceRequest{Expect: expect}))(t)
		if found.ExitCode != ExitPartly || len(found.Faults) != 1 || found.Faults[0].Kind != string(evidence.Cut) {
			t.Errorf("with --expect %q: exit %d, faults %+v", expect, found.ExitCode, found.Faults)
		}
	}
}
