package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
)

// commands returns the subcommands. If the command line begins with the name of one,
// only that one is built: building the others would take most of the time that this
// package spends on `dprun version`.
func (a *app) commands() []*cobra.Command {
	all := []struct {
		name string
		make func() *cobra.Command
	}{
		{"init", a.initCommand},
		{"validate", a.validateCommand},
		{"fmt", a.fmtCommand},
		{"plan", a.planCommand},
		{"check", a.checkCommand},
		{"apply", a.applyCommand},
		{"recover", a.recoverCommand},
		{"owed", a.owedCommand},
		{"guard", a.guardCommand},
		{"validate-posted", a.postedCommand},
		{"hold", a.holdCommand},
		{"runs", a.runsCommand},
		{"backups", a.backupsCommand},
		{"evidence", a.evidenceCommand},
		{"coverage", a.coverageCommand},
		{"metrics", a.metricsCommand},
		{"restore", a.restoreCommand},
		{"schedule", a.scheduleCommand},
		{"drill", a.drillCommand},
		{"serve", a.serveCommand},
		{"sweep", a.sweepCommand},
		{"verify", a.verifyCommand},
		{"diff", a.diffCommand},
		{"graph", a.graphCommand},
		{"explain", a.explainCommand},
		{"plugin", a.pluginCommand},
		{"man", a.manCommand},
		{"version", a.versionCommand},
	}
	if len(a.args) > 0 {
		for _, c := range all {
			if a.args[0] == c.name {
				return []*cobra.Command{c.make()}
			}
		}
	}
	made := make([]*cobra.Command, len(all))
	for i, c := range all {
		made[i] = c.make()
	}
	return made
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which dprun this is",
		Args:  arguments(0, 0),
		RunE: a.runDeaf(func(_ context.Context, v view.View, _ []string) error {
			if !a.json { // every JSON output begins with the version
				v.Show(about())
			}
			return nil
		}),
	}
}
