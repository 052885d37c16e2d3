package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dprun/dprun/cmd/dprun/view"
)

// manCommand writes the manual pages that the packages install.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages of all commands into a directory",
		Hidden: true,
		Args:   arguments(1, 1),
		RunE: a.runDeaf(func(_ context.Context, _ view.View, args []string) error {
			a.args = nil // otherwise the tree would hold this command alone
			return manualPages(args[0], a.root())
		}),
	}
}

// manualPages writes the manual pages of a command and of its subcommands.
func manualPages(dir string, c *cobra.Command) error {
	if !c.IsAvailableCommand() && c.HasParent() {
		return nil
	}
	for _, sub := range c.Commands() {
		if err := manualPages(dir, sub); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, pageName(c)+".1"), []byte(manualPage(c)), 0o644)
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manualPage returns a command's help as a page for man(7).
func manualPage(c *cobra.Command) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := pageName(c)
	line(`.TH %s 1 "" "dprun %s" "dprun"`, roff(strings.ToUpper(name)), roff(version))
	line(".SH NAME\n%s \\- %s", roff(name), roff(c.Short))
	line(".SH SYNOPSIS\n.B %s", roff(c.UseLine()))
	line(".SH DESCRIPTION")
	long := cmp.Or(c.Long, c.Short+".")
	for i, paragraph := range strings.Split(strings.Trim(long, "\n"), "\n\n") {
		switch {
		case strings.HasPrefix(paragraph, "  "): // an indented paragraph is kept as it is written
			line(".nf\n%s\n.fi", roff(paragraph))
			continue
		case i > 0:
			line(".PP")
		}
		line("%s", roff(paragraph))
	}
	if c.Example != "" {
		line(".SH EXAMPLES\n.nf\n%s\n.fi", roff(c.Example))
	}
	c.InitDefaultHelpFlag()
	options(&b, "OPTIONS", c.LocalFlags())
	options(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	var also []string
	if c.HasParent() {
		also = append(also, pageName(c.Parent())+" (1)")
	} else {
		also = append(also, "dprun.hcl (5)") // comes with the packages
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			also = append(also, pageName(sub)+" (1)")
		}
	}
	line(".SH SEE ALSO")
	for i, other := range also {
		end := ","
		if i == len(also)-1 {
			end = ""
		}
		line(".BR %s%s", roff(other), end)
	}
	return b.String()
}

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		takes, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = `\fB` + roff("-"+f.Shorthand) + `\fP, `
		}
		if takes != "" {
			takes = ` \fI` + roff(takes) + `\fP`
		}
		fmt.Fprintf(b, ".TP\n%s\\fB%s\\fP%s\n%s\n", short, roff("--"+f.Name), takes, roff(usage))
	})
}

// roff escapes a text so that man(7) does not read it as requests.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
