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

// completed is the highest number of names that a shell is offered.
const completed = 200

// completion returns what a shell offers for the word being typed.
type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// offering makes a completion from a function that finds words. Errors offer nothing,
// because nobody reads an error in the middle of a line.
func offering(words func(c *cobra.Command, args []string, typed string) []string) completion {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		found := words(c, args, typed)
		return found[:min(len(found), completed)], cobra.ShellCompDirectiveNoFileComp
	}
}

// planFlags adds the flags of commands that work on all or part of a plan, and
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

// planFile adds the flags that choose a plan and its variables. It completes them and
// the command's plan file. It returns a function that makes completions from that plan.
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

// destinationFlag adds a flag that names one of a plan's destinations, and the flags
// that choose the plan.
func (a *app) destinationFlag(c *cobra.Command, src *source, to *string, flag, usage string) {
	c.Flags().StringVar(to, flag, "", usage)
	must(c.RegisterFlagCompletionFunc(flag, a.planFile(c, src)(func(config *plan.Config) (names []string) {
		for _, d := range config.Destinations {
			names = append(names, d.Address)
		}
		return names
	})))
}

// must panics on an error that only a mistake in this program can cause, such as a
// missing flag.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// terms returns the terms that --only accepts for a plan.
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

// compiled compiles the plan named on the command line. It reads no secrets and
// contacts nothing. It returns nil if no plan is named or the plan has errors.
func (a *app) compiled(src *source, args []string) *plan.Config {
	if len(args) != 1 {
		return nil
	}
	from, err := src.of(a, args[0])
	if err != nil {
		return nil
	}
	plugins := a.pluginsWith(slog.New(slog.DiscardHandler))
	defer plugins.Close() //nolint:errcheck // closing loses nothing
	loaded, _, err := runner.Load(context.Background(), from, plugins)
	if err != nil || loaded == nil {
		return nil
	}
	return loaded.Config
}

// runNames completes the names of runs, and of a run's tasks if tasks is true.
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

// second makes words complete a command's second argument.
func second(c *cobra.Command, words completion) {
	first := c.ValidArgsFunction
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return words(c, args, typed)
		}
		return first(c, args, typed)
	}
}

// setNames completes the name of a set, as the argument that follows behind other
// arguments.
func (a *app) setNames(behind int) completion {
	return a.recorded(func(ctx context.Context, q runner.CompleteRequest, args []string) []string {
		if len(args) != behind {
			return nil
		}
		return runner.CompleteSets(ctx, q)
	})
}

// owing completes the devices and runs with pending recoveries.
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

// pluginNames completes the names of plugins.
func (a *app) pluginNames() completion {
	return offering(func(_ *cobra.Command, args []string, _ string) []string {
		plugins := a.pluginsWith(slog.New(slog.DiscardHandler))
		defer plugins.Close() //nolint:errcheck // closing loses nothing
		if len(args) > 0 {
			return nil
		}
		return plugins.Names()
	})
}
