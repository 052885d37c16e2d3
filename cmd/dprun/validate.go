package main

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner"
)

func (a *app) validateCommand() *cobra.Command {
	var src source
	c := &cobra.Command{
		Use:   "validate FILE|DIR",
		Short: "Check a plan without contacting anything",
		Long:  "Checks a plan file, or all plan files of a directory, with everything that can be known without any network. No secret is read.\n\nExit codes: 0 the plan is valid, 10 it is not, 11 a plugin is missing or broken.",
		Args:  planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			plugins := a.plugins(v)
			defer plugins.Close() //nolint:errcheck // nothing is lost
			loaded, ds, err := runner.Load(ctx, from, plugins)
			v.Diagnostics(ds)
			if err != nil {
				return err
			}
			r := view.Validation{Valid: !ds.HasErrors()}
			r.Errors, r.Warnings = counts(ds)
			if r.Valid {
				take(&r, loaded.Config)
			}
			v.Validation(r)
			if !r.Valid {
				return a.told(v, view.Failure{Message: invalid(ds).Error(), ExitCode: runner.ExitInvalid})
			}
			return nil
		}),
	}
	src.variables(c.Flags())
	return c
}

// take counts what a plan file holds.
func take(v *view.Validation, c *plan.Config) {
	v.Devices = len(c.Devices)
	labels := map[view.LabelCount]int{}
	groups := map[string]int{}
	for _, d := range c.Devices {
		for k, value := range d.Labels {
			labels[view.LabelCount{Label: k, Value: value}]++
		}
		if d.Group != "" {
			groups[d.Group]++
		}
	}
	for l, n := range labels {
		l.Devices = n
		v.Labels = append(v.Labels, l)
	}
	slices.SortFunc(v.Labels, func(a, b view.LabelCount) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Value, b.Value))
	})
	if len(groups) > 0 {
		v.Groups = groups
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		if groups[g] == 1 {
			v.Single = append(v.Single, g)
		}
	}
	for _, p := range c.Plans {
		devices := map[string]bool{}
		for _, a := range p.Activities {
			for _, d := range a.Devices {
				devices[d.Name] = true
			}
		}
		v.Plans = append(v.Plans, view.PlanCount{Plan: p.Name, Activities: len(p.Activities), Destinations: len(p.Destinations), Devices: len(devices)})
	}
}
