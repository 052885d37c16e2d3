package main

import "github.com/spf13/cobra"

// commands lists the commands.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.validateCommand(),
		a.fmtCommand(),
		a.planCommand(),
		a.checkCommand(),
		a.applyCommand(),
		a.recoverCommand(),
		a.owedCommand(),
		a.guardCommand(),
		a.holdCommand(),
		a.runsCommand(),
		a.sweepCommand(),
		a.verifyCommand(),
		a.graphCommand(),
		a.explainCommand(),
		a.pluginCommand(),
		a.versionCommand(),
	}
}
