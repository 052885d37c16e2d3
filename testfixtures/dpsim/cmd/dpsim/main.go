// Command dpsim runs a fleet of simulated DataPower gateways until it is
// interrupted. See the README beside its package.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "dpsim:", err)
		os.Exit(1)
	}
}

type options struct {
	devices, domains        int
	exportSize, firmware    string
	quiesceTime, readyFile  string
	unquiesceTime, scenario string
	exportTime, spoolDir    string
	warm                    bool
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("dpsim", flag.ContinueOnError)
	flags.IntVar(&o.devices, "devices", 1, "number of gateways")
	flags.IntVar(&o.domains, "domains", 3, "number of application domains of each, besides default")
	flags.StringVar(&o.exportSize, "export-size", "64KB", "size of each domain's archive (KB, MB, GB: powers of ten; KiB, MiB, GiB: of two)")
	flags.StringVar(&o.quiesceTime, "quiesce-time", "3s", "how long an idle domain takes to quiesce")
	flags.StringVar(&o.unquiesceTime, "unquiesce-time", "", "how long it takes to come back (default 2s, or the quiesce time if that is shorter)")
	flags.StringVar(&o.exportTime, "export-time", "0s", "how long a gateway thinks before it sends an archive")
	flags.StringVar(&o.firmware, "firmware", "", "firmware profile of all gateways (default IDG.10.0.1)")
	flags.StringVar(&o.scenario, "scenario", "", "HCL file that describes the fleet, instead of the flags above")
	flags.StringVar(&o.readyFile, "ready-file", "", "file to write once all listeners are up; certificates go beside it")
	flags.StringVar(&o.spoolDir, "spool-dir", "", "where archives are kept, in files without a name (default: the temporary directory)")
	flags.BoolVar(&o.warm, "warm", false, "make every archive before the ready file is written, not at its first use")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	s, err := o.fleet()
	if err != nil {
		return err
	}
	s.SpoolDir = o.spoolDir
	if o.readyFile != "" {
		s.Dir = filepath.Dir(o.readyFile)
	}
	fleet, err := dpsim.Start(ctx, s)
	if err != nil {
		return err
	}
	defer fleet.Close()
	if o.warm {
		if err := fleet.Warm(ctx); err != nil {
			return err
		}
	}
	if o.readyFile != "" {
		if err := fleet.WriteReady(o.readyFile); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "dpsim: %d gateways up, control %s\n", len(fleet.Ready().Devices), fleet.Control())
	<-ctx.Done()
	return nil
}

// fleet is the scenario that the flags describe.
func (o options) fleet() (dpsim.Scenario, error) {
	if o.scenario != "" {
		return dpsim.LoadScenario(o.scenario)
	}
	if o.devices < 1 || o.domains < 0 {
		return dpsim.Scenario{}, fmt.Errorf("--devices %d --domains %d: at least one gateway is needed", o.devices, o.domains)
	}
	quiesce, err := time.ParseDuration(o.quiesceTime)
	if err != nil {
		return dpsim.Scenario{}, fmt.Errorf("--quiesce-time: %w", err)
	}
	if o.unquiesceTime == "" {
		o.unquiesceTime = min(quiesce, 2*time.Second).String()
	}
	return dpsim.Scenario{Devices: []dpsim.Device{{
		Name: "gw", Count: o.devices, Firmware: o.firmware, AppDomains: o.domains, ExportSize: o.exportSize,
		Timings:      &dpsim.Timings{Quiesce: o.quiesceTime, Unquiesce: o.unquiesceTime, Export: o.exportTime},
		Certificates: []dpsim.Certificate{{Name: "dprun-backup"}},
	}}}, nil
}
