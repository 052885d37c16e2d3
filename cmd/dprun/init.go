package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner"
)

// mirrorVariable names directories to install plugins from, as PATH names some.
const mirrorVariable = "DPRUN_PLUGIN_MIRROR"

func (a *app) initCommand() *cobra.Command {
	var req runner.InitRequest
	c := &cobra.Command{
		Use:   "init FILE|DIR",
		Short: "Install the plugins that a plan requires, and lock them",
		Long: "Installs the plugins of the plan's required_plugins from a directory, and writes the lock file " + plan.LockFile + " beside the plan.\n" +
			"From then on dprun uses exactly these plugins for the plan, byte for byte. Commit the lock file. A locked version stays until --upgrade.\n" +
			"Nothing is contacted.\n\n" +
			"Exit codes: 0 all are installed, 10 the plan cannot be read, 11 a plugin cannot be found or does not work.",
		Args: planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			plugins := a.plugins(v)
			defer closing(plugins, &err)
			if len(req.Mirrors) == 0 {
				dirs := a.env(mirrorVariable)
				req.Mirrors = filepath.SplitList(dirs)
			}
			done, ds, err := plugins.Init(ctx, runner.Source{Path: filepath.Clean(args[0]), Environ: a.environ}, req)
			return show(v, done, a.valid(v, ds, err))
		}),
	}
	c.Flags().StringArrayVar(&req.Mirrors, "plugin-dir", nil, "directory to install from, laid out HOST/NAMESPACE/NAME/VERSION/OS_ARCH; may be repeated (default: $"+mirrorVariable+")")
	c.Flags().BoolVar(&req.Upgrade, "upgrade", false, "take the newest versions that the plan allows, whatever is locked")
	return c
}
