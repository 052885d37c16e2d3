package lifecycle

import (
	"testing"

	"github.com/dprun/dprun/runner/status"
)

func TestATaskThatIsNotReplayedEndsByWhetherItHadBegun(t *testing.T) {
	t.Parallel()
	for last, want := range map[status.Code]status.Code{
		"":                                 status.RecoveredNeverStarted,
		status.WaitingForPreValidation:     status.RecoveredNeverStarted,
		status.ReadyForExecution:           status.RecoveredNeverStarted,
		status.SentToMDB:                   status.RecoveredObligationsPaid,
		status.ExportPersistedStarted:      status.RecoveredObligationsPaid,
		status.FailedWithInternalException: status.RecoveredObligationsPaid,
		"A_CODE_OF_A_LATER_VERSION":        status.RecoveredObligationsPaid,
	} {
		if got, message := Unreplayed(last); got != want || message == "" {
			t.Errorf("after %q: %s (%s), want %s", last, got, message, want)
		}
	}
}
