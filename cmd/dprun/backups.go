package main

import "github.com/spf13/cobra"

func (a *app) backupsCommand() *cobra.Command {
	c := &cobra.Command{Use: "backups", Short: "Find the backups that were stored, and delete old ones"}
	c.AddCommand(a.backupsListCommand(), a.backupsShowCommand(), a.backupsImportCommand(), a.backupsCheckCommand(), a.backupsFetchCommand(), a.backupsPackCommand(), a.backupsPruneCommand())
	return c
}
