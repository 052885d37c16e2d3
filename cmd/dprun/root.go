package main

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/prose"
)

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "dprun",
		Short:         "Back up fleets of gateways from plan files",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := root.PersistentFlags()
	f.StringVar(&a.color, "color", "auto", "colours: auto, always or never; NO_COLOR turns auto off")
	f.StringVar(&a.logLevel, "log-level", "", "log lines from this level on: debug, info, warn or error (default: $DPRUN_LOG, else warn)")
	f.StringVar(&a.stateDir, "state-dir", "", "directory of journal, staging and locks (default: $DPRUN_STATE_DIR, else $XDG_STATE_HOME/dprun, else ~/.local/state/dprun)")
	f.BoolVar(&a.json, "json", false, "write one JSON object a line to standard output, and nothing else")
	f.StringVar(&a.server, "server", "", "ask this server (dprun serve) instead of the state directory, such as https://dprun.bank.example:8443")
	f.StringVar(&a.tokens, "token-file", "", "the file with your token for --server (default: $DPRUN_TOKEN_FILE)")
	f.StringVar(&a.ca, "server-ca", "", "a file with certificates of authorities that --server may have, beside those of the system")
	root.AddCommand(a.commands()...)
	must(root.RegisterFlagCompletionFunc("server", cobra.NoFileCompletions))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	for s := range prose.Sections(helpTexts) {
		if c, _, err := root.Find(strings.Fields(s.Name)[1:]); err == nil && c.CommandPath() == s.Name { // a command line makes only its own
			c.Long = s.Text
		}
	}
	a.strictHelp(root)
	strict(root)
	return root
}

// helpTexts says of each command what it does.
//
//go:embed help.txt
var helpTexts string

// strict turns every wrong command line of a command and its subcommands into a
// usageError.
func strict(c *cobra.Command) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{command: c.CommandPath(), err: flagError(c, err)}
	})
	if c.HasSubCommands() && c.Run == nil && c.RunE == nil {
		c.Args = cobra.ArbitraryArgs
		c.RunE = group
	} else if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := errors.Join(check(c, args), c.ValidateFlagGroups()); err != nil {
				return &usageError{command: c.CommandPath(), err: err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// flagError says which values a flag takes. The parser's own text would quote its
// functions.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		err = fmt.Errorf("%s has no flag --%s", c.CommandPath(), unknown.GetSpecifiedName())
		if s := diag.Suggest(unknown.GetSpecifiedName(), names); s != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, s)
		}
		return err
	}
	if !errors.As(err, &invalid) || !errors.As(err, &number) {
		return err
	}
	takes := "a whole number"
	if invalid.GetFlag().Value.Type() == "bool" {
		takes = "true or false"
	}
	return fmt.Errorf("--%s is %q; it is %s", invalid.GetFlag().Name, invalid.GetValue(), takes)
}

// arguments checks the number of arguments. Its error shows how the command is written.
// If most < 0, there is no upper limit.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if n := len(args); n < least || most >= 0 && n > most {
			return fmt.Errorf("write `%s`, not %q", strings.TrimSuffix(c.UseLine(), " [flags]"), strings.Join(append([]string{c.CommandPath()}, args...), " "))
		}
		return nil
	}
}

// notNegative rejects a negative value of a flag that counts things.
func notNegative(flag string, n int) error {
	if n < 0 {
		return &usageError{err: fmt.Errorf("--%s is %d; it is 0 or more", flag, n)}
	}
	return nil
}

// strictHelp rejects help about an unknown subcommand, which cobra would answer with
// the help of the command above it.
func (a *app) strictHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if rest := c.Flags().Args(); c.HasSubCommands() && len(rest) > 0 {
			a.noHelp = &usageError{command: c.CommandPath(), err: noCommand(c, rest[0])}
			return
		}
		help(c, args)
	})
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = func(_ *cobra.Command, args []string) error {
				if of, rest, err := root.Find(args); err == nil && of.HasSubCommands() && len(rest) > 0 {
					return noCommand(of, rest[0])
				}
				return nil
			}
		}
	}
}

// group answers for a command that only holds subcommands.
func group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		c.SetOut(c.ErrOrStderr())
		if err := c.Help(); err != nil {
			return err
		}
		return &usageError{command: c.CommandPath(), err: errors.New("which command?")}
	}
	return &usageError{command: c.CommandPath(), err: noCommand(c, args[0])}
}

// noCommand reports an unknown subcommand and suggests a similar one.
func noCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	err := fmt.Errorf("there is no command %q", c.CommandPath()+" "+name)
	if s := diag.Suggest(name, names); s != "" {
		err = fmt.Errorf("%w; did you mean %q?", err, s)
	}
	return err
}
