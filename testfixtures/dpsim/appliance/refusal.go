package appliance

import "fmt"

// Refusal is an answer in which the gateway says no.
type Refusal struct {
	Text string
	// Log puts the text into an error-log; otherwise it is the result itself.
	Log bool
}

func (r *Refusal) Error() string { return r.Text }

// refuse answers with an error-log.
func refuse(format string, args ...any) error {
	return &Refusal{Text: fmt.Sprintf(format, args...), Log: true}
}

// deny answers with a bare result text.
func deny(text string) error { return &Refusal{Text: text} }
