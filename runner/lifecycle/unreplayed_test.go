package lifecycle

import "testing"

func TestATaskThatIsNotReplayedEndsByWhetherItHadBegun(t *testing.T) {
	t.Parallel()
	for last, want := range map[Code]Code{
		"":                          RecoveredNeverStarted,
		WaitingForPreValidation:     RecoveredNeverStarted,
		ReadyForExecution:           RecoveredNeverStarted,
		SentToMDB:                   RecoveredObligationsPaid,
		ExportPersistedStarted:      RecoveredObligationsPaid,
		FailedWithInternalException: RecoveredObligationsPaid,
		"A_CODE_OF_A_LATER_VERSION": RecoveredObligationsPaid,
	} {
		if got, message := Unreplayed(last); got != want || message == "" {
			t.Errorf("after %q: %s (%s), want %s", last, got, message, want)
		}
	}
}
