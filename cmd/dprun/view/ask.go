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
	fmt.Fprintf(out, "Plan %s quiesces domains or all of %s in %s:\n", Clean(d.Plan), plural(len(d.Devices), "device", "devices"), Clean(strings.Join(d.Activities, ", ")))
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
		answer <- strings.TrimSpace(s)
	}()
	select {
	case s := <-answer:
		return strings.EqualFold(s, "yes")
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false
	}
}
