package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
)

// bundled are the plugins that this program serves itself, as dprun does.
func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{"sftp": sftp.Plugin, "nfs": nfs.Plugin}
}

// part is one group of figures.
type part struct {
	letter string
	about  string
	run    func(*bench, context.Context) error
}

var parts = []part{
	{"a", "200 domains of 2 MB on 10 gateways", (*bench).fleet},
	{"b", "one archive of 500 MB", (*bench).archive},
	{"c", "memory of dprun and its plugins", (*bench).memory},
	{"d", "1 GB to an SSH server", (*bench).sftp},
	{"e", "1 GB to an NFS server", (*bench).nfs},
	{"f", "validate of 10,000 devices", (*bench).validate},
	{"g", "10,000 tasks on 50 gateways", (*bench).tasks},
	{"h", "100,000 tasks against 10,000", (*bench).size},
	{"i", "10,000 tasks against OpenTofu", (*bench).opentofu},
	{"j", "start-up", (*bench).startup},
	{"k", "looking back over 1,000 runs", (*bench).history},
}

func main() {
	pluginhost.ServeBundled(os.Args[1:], bundled()) // does not return when this process is a plugin's
	if len(os.Args) == 4 && os.Args[1] == floorCommand {
		exit(floor(os.Args[2], os.Args[3]))
	}
	if len(os.Args) == 4 && os.Args[1] == fleetFloorCommand {
		exit(fleetFloor(os.Args[2], os.Args[3]))
	}
	exit(run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run() (err error) {
	var b bench
	only := flag.String("only", "", "`parts` to run, for example a,b (default all)")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of each figure; the median counts")
	flag.StringVar(&b.old, "old", "", "an older dprun, a `program`: beside the parts of -only, or alone to compare just the two")
	dir := flag.String("dir", "", "`directory` for temporary files (default the system's); about 10 GB are needed")
	flag.StringVar(&b.dprun, "dprun", "bin/dprun", "the `program` that is measured")
	flag.StringVar(&b.dpsim, "dpsim", "bin/dpsim", "the gateways' simulator")
	flag.StringVar(&b.note, "note", "bin/dprun-plugin-note", "the `plugin` of h, i and k")
	flag.StringVar(&b.tofu, "tofu", "", "OpenTofu, the `program` that i compares with (default: it is built once, which takes minutes)")
	flag.StringVar(&b.disks, "server", "memory,disk", "where the servers of d and e keep their files: memory, disk or both")
	flag.IntVar(&b.megabytes, "mb", 1000, "size of the file of d and e, in `MB`")
	flag.Parse()
	if flag.NArg() > 0 || b.rounds < 1 {
		return fmt.Errorf("usage: bench [-only a,b] [-old FILE] [-rounds N]; see -help")
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	programs := []*string{&b.dprun, &b.dpsim, &b.note}
	if b.old != "" {
		programs = append(programs, &b.old)
	}
	for _, program := range programs {
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("%w: run `make build` first", err)
		}
	}
	if b.dir, err = os.MkdirTemp(*dir, "dprun-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	// The user that an SSH server serves walks through it to the server's files.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if b.old != "" && *only == "" {
		return b.compare(ctx)
	}

	var failed []error
	for _, p := range chosen {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "%s  %s, %d rounds\n", p.letter, p.about, b.rounds)
		b.part = p.letter
		if err := b.guarded(ctx, p.run); err != nil {
			err = fmt.Errorf("part %s could not be measured: %w", p.letter, err)
			fmt.Fprintln(os.Stderr, "bench:", err)
			failed = append(failed, err)
		}
	}
	printTable(os.Stdout, b.figures)
	printJSON(os.Stdout, b.figures)
	if ctx.Err() != nil {
		return errors.New("stopped by a signal")
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d parts could not be measured", len(failed), len(chosen))
	}
	return nil
}

// choose picks the parts that -only names.
func choose(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	var out []part
	for letter := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(parts, func(p part) bool { return p.letter == strings.TrimSpace(letter) })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: there is no part %q, only a to %s", only, letter, parts[len(parts)-1].letter)
		}
		out = append(out, parts[i])
	}
	return out, nil
}

// bench is one run of the benchmarks.
type bench struct {
	dprun, dpsim string
	old          string // an older dprun; empty: none
	note         string // the plugin note
	tofu         string // OpenTofu; empty: it is built
	dir          string // everything temporary is below it
	rounds       int
	disks        string
	megabytes    int

	part    string // that is under way
	figures []figure
}

// guarded runs a part and turns the failure of a fixture that expects a test
// into an error.
func (b *bench) guarded(ctx context.Context, f func(*bench, context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			fatal, ok := p.(fatalError)
			if !ok {
				panic(p)
			}
			err = fatal
		}
	}()
	return f(b, ctx)
}

// mkdir makes a directory for a purpose; it is removed with everything at the end, or sooner by who made it.
func (b *bench) mkdir(name string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
