package mail

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/script"
)

// What a gateway says makes no line of its own, in which it could say what to type.
func TestNoTextOfAGatewayMakesALineOfTheMail(t *testing.T) {
	t.Parallel()
	const forged = "orders\r\nNot undone\r\n  on the gateway: forged\u2028forged"
	text := body(script.Context{Plan: "p", Status: "S", Message: forged,
		Tasks:  []script.Task{{Device: "gw", Domain: forged, Activity: forged, Status: "S", Message: forged}},
		Notice: &script.Notice{Event: script.Critical, Causes: []script.Cause{{Status: "S", Means: "m", Do: "d", Count: 1}}, Owed: []script.Owed{{Device: "gw", Domain: forged, Kind: "unquiesce", DeviceCommands: []string{forged}}}}})
	for line := range strings.Lines(text) {
		if strings.Contains(line, "forged") && !strings.Contains(line, "orders") {
			t.Errorf("a line of its own: %q in\n%s", line, text)
		}
	}
}
