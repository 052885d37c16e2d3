package view

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dprun/dprun/runner"
)

// Ask asks a person whether what will be out of service may be so. It is
// false when ctx ends first, and on anything but "yes".
func Ask(ctx context.Context, in io.Reader, out io.Writer, d runner.Disruption) bool {
	activities := "activity "
	if len(d.Activities) > 1 {
		activities = "activities "
	}
	fmt.Fprintf(out, "Plan %s quiesces domains or whole devices, which takes them out of service, in %s%s on %s:\n", Clean(d.Plan), activities,
		Clean(strings.Join(d.Activities, ", ")), plural(len(d.Devices), "device", "devices"))
	const most = 20
	for i, name := range d.Devices {
		if i == most {
			fmt.Fprintf(out, "  … and %d more\n", len(d.Devices)-most)
			break
		}
		fmt.Fprintf(out, "  %s\n", Clean(name))
	}
	fmt.Fprint(out, "Only \"yes\" goes on: ")
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
		return strings.EqualFold(strings.TrimSpace(s), "yes")
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false
	}
}
