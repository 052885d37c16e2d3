package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner"
)

// completed is how many names a shell is offered at most.
const completed = 200

// completion is what a shell offers for a word that is typed.
type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// offering makes a completion of a function that finds the words. What cannot
// be found is not offered: nobody reads an error in the middle of a line.
func offering(words func(c *cobra.Command, args []string, typed string) []string) completion {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		found := words(c, args, typed)
		return found[:min(len(found), completed)], cobra.ShellCompDirectiveNoFileComp
	}
}

// planFlags adds the flags of commands that do a plan or a part of it, and
// completes them from that plan.
func (a *app) planFlags(c *cobra.Command, src *source) {
	of := a.planFile(c, src)
	c.Flags().StringArrayVar(&src.only, "only", nil, "narrow what is done: activity, device, domain or a label, for example site=fra,device=fra-*,domain=orders; may be repeated")
	must(c.RegisterFlagCompletionFunc("only", func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		words, directive := of(terms)(c, args, typed)
		for i := range words {
			words[i] = before + words[i]
		}
		return words, directive | cobra.ShellCompDirectiveNoSpace
	}))
}

// planFile adds the flags that say which plan with which variables, completes
// them and a command's plan file, and gives what completes words of that plan.
func (a *app) planFile(c *cobra.Command, src *source) (of func(words func(*plan.Config) []string) completion) {
	src.variables(c.Flags())
	c.Flags().StringVar(&src.plan, "plan", "", "which plan, when the file has several")
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt
	}
	of = func(words func(*plan.Config) []string) completion {
		return offering(func(_ *cobra.Command, args []string, _ string) []string {
			if len(args) == 0 {
				return nil
			}
			if config := a.compiled(src, args[:1]); config != nil {
				return words(config)
			}
			return nil
		})
	}
	must(c.RegisterFlagCompletionFunc("plan", of(func(config *plan.Config) (names []string) {
		for _, p := range config.Plans {
			names = append(names, p.Name)
		}
		return names
	})))
	return of
}

// destinationFlag adds a flag for one of a plan's destinations, and those for the plan.
func (a *app) destinationFlag(c *cobra.Command, src *source, to *string, flag, usage string) {
	c.Flags().StringVar(to, flag, "", usage)
	must(c.RegisterFlagCompletionFunc(flag, a.planFile(c, src)(func(config *plan.Config) (names []string) {
		for _, d := range config.Destinations {
			names = append(names, d.Address)
		}
		return names
	})))
}

// must ends on a mistake of this program: a flag that is not there.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// terms are what --only can be made of.
func terms(config *plan.Config) []string {
	var activities, devices, labels []string
	for _, p := range config.Plans {
		for _, a := range p.Activities {
			activities = append(activities, "activity="+a.Name)
		}
	}
	for _, d := range config.Devices {
		devices = append(devices, "device="+d.Name)
		for k, v := range d.Labels {
			labels = append(labels, k+"="+v)
		}
	}
	var all []string
	for _, words := range [][]string{activities, labels, {"domain="}, devices} {
		slices.Sort(words)
		all = append(all, slices.Compact(words)...)
	}
	return all
}

// compiled compiles the plan that is named on the command line, with no secret
// read and nothing contacted; nil when there is none or it has errors.
func (a *app) compiled(src *source, args []string) *plan.Config {
	if len(args) != 1 {
		return nil
	}
	from, err := src.of(a, args[0])
	if err != nil {
		return nil
	}
	plugins := a.pluginsWith(slog.New(slog.DiscardHandler))
	defer plugins.Close() //nolint:errcheck // nothing is lost
	loaded, _, err := runner.Load(context.Background(), from, plugins)
	if err != nil || loaded == nil {
		return nil
	}
	return loaded.Config
}

// runNames completes a run, and tasks of it where they are asked for.
func (a *app) runNames(tasks bool) completion {
	return a.recorded(func(ctx context.Context, q runner.CompleteRequest, args []string) []string {
		switch {
		case len(args) == 0:
			return runner.CompleteRuns(ctx, q)
		case len(args) == 1 && tasks:
			q.Run = args[0]
			return runner.CompleteTasks(ctx, q)
		}
		return nil
	})
}

// second completes a command's second argument.
func second(c *cobra.Command, words completion) {
	first := c.ValidArgsFunction
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return words(c, args, typed)
		}
		return first(c, args, typed)
	}
}

// setNames completes a set behind so many arguments.
func (a *app) setNames(behind int) completion {
	return a.recorded(func(ctx context.Context, q runner.CompleteRequest, args []string) []string {
		if len(args) != behind {
			return nil
		}
		return runner.CompleteSets(ctx, q)
	})
}

// owing completes the devices and runs that something is owed to.
func (a *app) owing() completion {
	return a.recorded(func(ctx context.Context, q runner.CompleteRequest, _ []string) []string {
		return runner.CompleteOwing(ctx, q)
	})
}

// recorded completes names that the state directory knows.
func (a *app) recorded(names func(ctx context.Context, q runner.CompleteRequest, args []string) []string) completion {
	return offering(func(_ *cobra.Command, args []string, _ string) []string {
		dir, err := a.state()
		if err != nil {
			return nil
		}
		return names(context.Background(), runner.CompleteRequest{StateDir: dir, Limit: completed}, args)
	})
}

// pluginNames completes a plugin.
func (a *app) pluginNames() completion {
	return offering(func(_ *cobra.Command, args []string, _ string) []string {
		plugins := a.pluginsWith(slog.New(slog.DiscardHandler))
		defer plugins.Close() //nolint:errcheck // nothing is lost
		if len(args) > 0 {
			return nil
		}
		return plugins.Names()
	})
}
