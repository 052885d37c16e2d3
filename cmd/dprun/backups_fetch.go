package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) backupsFetchCommand() *cobra.Command {
	var src source
	var q runner.FetchBackupRequest
	var latest bool
	c := &cobra.Command{
		Use:   "fetch FILE|DIR [SET]",
		Short: "Get the files of a backup",
		Long: "Copies the files of a backup, and its manifest, from one of the plan's destinations to a directory. The backup is the one whose ID is\n" +
			"given; with --latest it is the last good one of a device and domain.\n\n" +
			"Before a file gets its name, its size and SHA-256 are compared with what was captured, and an archive of a gateway is verified. A copy\n" +
			"that cannot be used is named, and another one is taken. A file that exists is never replaced; if its content is the same, that is a\n" +
			"success.\n\n" +
			"If a destination keeps backups encrypted, --identity gives the key that decrypts a copy, and --encrypted leaves it as it is stored. A\n" +
			"copy that is not encrypted needs neither.\n\n" +
			"No device is contacted. A correct checksum does not prove that an import works.",
		Args: func(c *cobra.Command, args []string) error {
			if err := arguments(1, 2)(c, args); err != nil {
				return err
			}
			q.Set = strings.Join(args[1:], "")
			switch {
			case q.Encrypted && len(q.Keys.Files) > 0:
				return errors.New("give --identity to get the files decrypted, or --encrypted to get them as they are stored")
			case latest == (q.Set != ""):
				return errors.New("give the ID of a set, or --latest with --device")
			case latest && q.Device == "":
				return errors.New("--latest needs --device, and --domain unless the backup is of the whole device")
			case !latest && q.Device+q.Domain+q.Activity != "":
				return errors.New("--device, --domain and --activity go with --latest")
			case q.Dir == "":
				return errors.New("--to is missing: name the directory that the files go to")
			}
			return nil
		},
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Failed = from, src.plan, view.Each[report.BackupFault](v)
			fetched, res, err := r.FetchBackup(ctx, q)
			return ended(v, res, err, some(fetched)...)
		}),
	}
	c.Flags().BoolVar(&latest, "latest", false, "the last good one of --device and --domain")
	c.Flags().StringVar(&q.Device, "device", "", "with --latest: of this device")
	c.Flags().StringVar(&q.Domain, "domain", "", "with --latest: of this domain; without it, of the whole device")
	c.Flags().StringVar(&q.Activity, "activity", "", "with --latest: of this activity, where several back up the same")
	c.Flags().StringVar(&q.Dir, "to", "", "the directory for the files; it is created if missing")
	a.identityFlag(c, &q.Keys)
	c.Flags().BoolVar(&q.Encrypted, "encrypted", false, "get encrypted files as they are stored; their names end in .age")
	a.destinationFlag(c, &src, &q.From, "from", "only from this destination of the plan, such as sftp.vault")
	second(c, a.setNames(1))
	return c
}
