package permit

import (
	"errors"
	"testing"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/manualclock"
)

// What ends before the login says nothing of the password: as long as nothing
// else is known of it, only one device at a time is asked.
func TestOnlyAnAnswerAfterTheLoginShowsThatACredentialIsAccepted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"it worked":                   {nil, true},
		"an operation is not allowed": {failure.New(failure.Denied, failure.NotPermitted, "x"), true},
		"the device reports an error": {failure.New(failure.Precondition, failure.DeviceError, "x"), true},
		"its certificate is refused":  {failure.New(failure.Denied, failure.BadCertificate, "x"), false},
		"something else answers":      {failure.New(failure.Corrupt, failure.BadReply, "x"), false},
		"the configuration is wrong":  {failure.New(failure.Precondition, failure.BadConfig, "x"), false},
		"the plugin ended":            {failure.New(failure.Unavailable, failure.Crashed, "x"), false},
		"nothing answers":             {failure.New(failure.Unavailable, "", "x"), false},
		"the staging is full":         {failure.New(failure.NoSpace, failure.StagingIO, "x"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Credentials{Journal: openJournal(t), Clock: manualclock.New(noon)}
			if err := c.Use(t.Context(), "credential", "gw-1", func() error { return tc.err }); !errors.Is(err, tc.err) {
				t.Fatal(err)
			}
			if got := c.gate("credential").open(); got != tc.want {
				t.Errorf("taken as accepted: %v, want %v", got, tc.want)
			}
		})
	}
}
