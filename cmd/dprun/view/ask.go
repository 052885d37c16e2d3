package view

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// disruption says what a run takes out of service.
func disruption(d report.Disruption) string {
	activities := "activity "
	if len(d.Activities) > 1 {
		activities = "activities "
	}
	return fmt.Sprintf("%s quiesces domains or whole devices, which takes them out of service, in %s%s on %s", Clean(d.Plan), activities,
		Clean(strings.Join(d.Activities, ", ")), plural(len(d.Devices), "device", "devices"))
}

// Unasked says why a run that nobody can be asked about does not begin.
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

// Ask asks a person whether what will be out of service may be so. It is
// false when ctx ends first, and on anything but "yes".
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

// answered is the line that a person types; empty when ctx ends first.
func answered(ctx context.Context, in io.Reader, out io.Writer) string {
	answer := make(chan string, 1)
	go func() { // left behind when ctx ends first: a read of a terminal cannot be cancelled
		s, _ := bufio.NewReader(in).ReadString('\n')
		answer <- s
	}()
	select {
	case s := <-answer:
		if !strings.HasSuffix(s, "\n") { // the input ended: what comes next is on a line of its own all the same
			fmt.Fprintln(out)
		}
		return strings.TrimSpace(s)
	case <-ctx.Done():
		fmt.Fprintln(out)
		return ""
	}
}
