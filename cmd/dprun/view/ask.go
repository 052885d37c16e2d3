package view

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// disruption describes what a run takes out of service.
func disruption(d report.Disruption) string {
	activities := "activity "
	if len(d.Activities) > 1 {
		activities = "activities "
	}
	return fmt.Sprintf("%s quiesces domains or whole devices, which takes them out of service, in %s%s on %s", Clean(d.Plan), activities,
		Clean(strings.Join(d.Activities, ", ")), plural(len(d.Devices), "device", "devices"))
}

// Unasked explains why a run does not begin when nobody can be asked.
func Unasked(d report.Disruption) string {
	const most = 10
	names := d.Devices
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	return "plan " + disruption(d) + " (" + Clean(strings.Join(names, ", ")) + more + "), and there is no terminal to ask on: " +
		"nothing of this plan was contacted; if that is what you want, add --yes"
}

// Ask asks a person whether the run may take gateways out of service. Only the answer
// "yes" returns true. It returns false if ctx ends first.
func Ask(ctx context.Context, in io.Reader, out io.Writer, d report.Disruption) bool {
	fmt.Fprintf(out, "Plan %s:\n", disruption(d))
	const most = 20
	for i, name := range d.Devices {
		if i == most {
			fmt.Fprintf(out, "  … and %d more\n", len(d.Devices)-most)
			break
		}
		fmt.Fprintf(out, "  %s\n", Clean(name))
	}
	fmt.Fprint(out, "Only \"yes\" goes on: ")
	return strings.EqualFold(answered(ctx, in, out), "yes")
}

// answered returns the line that a person types, or nothing if ctx ends first.
func answered(ctx context.Context, in io.Reader, out io.Writer) string {
	answer := make(chan string, 1)
	go func() { // still waits if ctx ends first: a read of a terminal cannot be cancelled
		s, _ := bufio.NewReader(in).ReadString('\n')
		answer <- s
	}()
	select {
	case s := <-answer:
		if !strings.HasSuffix(s, "\n") { // the input ended without a line feed; the next output begins a new line
			fmt.Fprintln(out)
		}
		return strings.TrimSpace(s)
	case <-ctx.Done():
		fmt.Fprintln(out)
		return ""
	}
}
