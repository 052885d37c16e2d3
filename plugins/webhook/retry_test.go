package webhook

import (
	"net/http"
	"testing"
	"time"
)

// A server that asks for more than is waited is not asked again at once.
func TestWhatAServerAsksToWaitIsBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 0, "soon": 0, "-1": 0, "0": 0, "7": 7 * time.Second, "60": longestPause, "9999999999": longestPause} {
		if got := retryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
