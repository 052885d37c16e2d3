package main

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// The fleet of part a.
const (
	fleetDevices = 10
	fleetDomains = 20
	fleetSize    = 2_000_000
)

//go:embed peer/fleet.sh
var fleetPeer string

// fleet backs up many small domains: of a cluster, whose members serve the
// same applications from the same files, to a directory and to an SSH server,
// and of gateways that have nothing in common, to a directory.
func (b *bench) fleet(ctx context.Context) error {
	cluster, err := b.startGateways(ctx, "--devices", fmt.Sprint(fleetDevices), "--domains", fmt.Sprint(fleetDomains), "--export-size", fmt.Sprint(fleetSize))
	if err != nil {
		return err
	}
	defer cluster.close()
	if err := b.fleetToDirectory(ctx, cluster, "a.file", "on 10 gateways of a cluster", 2.2, 4.5); err != nil {
		return err
	}
	if err := b.fleetToSSH(ctx, cluster); err != nil {
		return err
	}
	apart, err := b.startApart(ctx)
	if err != nil {
		return err
	}
	defer apart.close()
	return b.fleetToDirectory(ctx, apart, "a.file.apart", "on 10 gateways that share no application", 1.35, 0)
}

// startApart starts gateways whose domains have different names, and so
// nothing in common but what the firmware puts into every export.
func (b *bench) startApart(ctx context.Context) (*gateways, error) {
	var text strings.Builder
	for i := range fleetDevices {
		fmt.Fprintf(&text, "device \"gw-%d\" {\n  domains     = 0\n  export_size = \"%d\"\n", i+1, fleetSize)
		for k := range fleetDomains {
			fmt.Fprintf(&text, "  domain \"app-%d-%02d\" {}\n", i+1, k+1)
		}
		text.WriteString("}\n")
	}
	scenario := filepath.Join(b.dir, "apart.hcl")
	if err := os.WriteFile(scenario, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	return b.startGateways(ctx, "--scenario", scenario)
}

// fleetToDirectory has a target against each of the two scripts; checked 0: none.
func (b *bench) fleetToDirectory(ctx context.Context, g *gateways, id, where string, unchecked, checked float64) error {
	dirs := make([]string, 4)
	for i := range dirs {
		var err error
		if dirs[i], err = b.mkdir(id); err != nil {
			return err
		}
	}
	const script, check, floor = "curl, xmllint, cp", "the same, checked", "floor"
	t, err := b.interleave(ctx, b.fleetApply("dprun", g, dirs[0], fileDestination), b.fleetScript(script, g, dirs[1]),
		b.fleetScript(check, g, dirs[2], "CHECK=yes"), b.fleetLeast(floor, g, dirs[3]))
	if err != nil {
		return err
	}
	b.add(t.cpu(faster(id, "200 domains of 2 MB "+where+" to a directory: dprun apply against xargs -P8 over curl, xmllint, base64 and cp",
		t.of("dprun"), t.of(script), unchecked).with("the peer checks nothing"), "dprun", script))
	whole := faster(id+".checked", "the same with unzip -t and sha256sum for each file, which is still less than dprun checks", t.of("dprun"), t.of(check), checked)
	if checked == 0 {
		whole = whole.info()
	}
	b.add(t.cpu(whole, "dprun", check))
	b.add(t.cpu(faster(id+".floor", "not dprun but one process with its client and verifier, which keeps one copy and no record, against the same scripts",
		t.of(floor), t.of(script), 0).info(), floor, script))
	return nil
}

func (b *bench) fleetToSSH(ctx context.Context, g *gateways) error {
	s, err := sshd.Run(ctx, sshd.Options{Base: b.dir})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	dirs, err := remoteDirectories(s, "sent", "read_back", "put", "put_get")
	if err != nil {
		return err
	}
	to := func(verify sdk.Verify) func(string) (string, string) {
		return func(dir string) (string, string) { return sftpDestination(s, dir, verify) }
	}
	const sent, readBack, put, putGet = "dprun sent", "dprun read_back", "put", "put, get, sum"
	client := "SFTP=" + strings.Join(sftpCommand(s), " ")
	t, err := b.interleave(ctx, b.fleetApply(sent, g, dirs[0], to(sdk.VerifySent)), b.fleetScript(put, g, dirs[2], client),
		b.fleetApply(readBack, g, dirs[1], to(sdk.VerifyReadBack)), b.fleetScript(putGet, g, dirs[3], client, "READ_BACK=yes"))
	if err != nil {
		return err
	}
	b.add(t.cpu(faster("a.sftp.sent", "the same to OpenSSH's sshd with verify = \"sent\", against each file put by OpenSSH sftp under xargs -P8",
		t.of(sent), t.of(put), 4.5), sent, put))
	b.add(t.cpu(faster("a.sftp.read_back", "with verify = \"read_back\", against put, get and sha256sum of each file",
		t.of(readBack), t.of(putGet), 6), readBack, putGet))
	b.add(t.cpu(faster("a.sftp.put", "with verify = \"read_back\", against put alone, which reads nothing back",
		t.of(readBack), t.of(put), 0).info(), readBack, put))
	return nil
}

// Every round writes to directories of its own, and nothing is removed before
// the part ends: file systems differ in what it costs to create files where
// others were just removed, and neither side shall pay for the other's.

// fleetApply is dprun.
func (b *bench) fleetApply(name string, g *gateways, base string, destination func(dir string) (reference, block string)) contender {
	return contender{name, func(ctx context.Context, round int) (map[string]float64, error) {
		dir, err := roundDirectory(base, round)
		if err != nil {
			return nil, err
		}
		plan, err := g.writePlan(destination(dir))
		if err != nil {
			return nil, err
		}
		a, err := b.apply(ctx, plan, nil)
		if err != nil {
			return nil, err
		}
		if want := fleetDevices * fleetDomains; a.succeeded != want {
			return nil, fmt.Errorf("%d tasks of %d succeeded", a.succeeded, want)
		}
		return wall(a.wall), checkFleet(dir)
	}}
}

// fleetScript is the peer: one shell for each domain, eight at a time.
func (b *bench) fleetScript(name string, g *gateways, base string, env ...string) contender {
	return contender{name, func(ctx context.Context, round int) (map[string]float64, error) {
		work, err := b.mkdir("work")
		if err != nil {
			return nil, err
		}
		dir, err := roundDirectory(base, round)
		if err != nil {
			return nil, err
		}
		var list strings.Builder
		for _, d := range g.Devices {
			for _, domain := range d.applications() {
				fmt.Fprintln(&list, d.Name, domain)
			}
		}
		start := time.Now()
		if err := b.scripted(ctx, g, list.String(), work, dir, env...); err != nil {
			return nil, err
		}
		return wall(time.Since(start)), checkFleet(dir)
	}}
}

// scripted runs the peer's shell for each line of a list, a device and a
// domain, eight at a time.
func (b *bench) scripted(ctx context.Context, g *gateways, list, work, dest string, env ...string) error {
	file := filepath.Join(work, "fleet.sh")
	if err := os.WriteFile(file, []byte(fleetPeer), 0o600); err != nil {
		return err
	}
	cmd := command(ctx, slices.Concat(env, []string{"GATEWAYS=" + g.dir, "WORK=" + work, "DEST=" + dest, "REQUEST=" + exportRequest}),
		"xargs", "-P"+fmt.Sprint(parallel), "-n2", "bash", file)
	cmd.Stdin = strings.NewReader(list)
	_, err := output(cmd)
	return err
}

// fleetLeast is this program as the floor.
func (b *bench) fleetLeast(name string, g *gateways, base string) contender {
	return timed(name, func(ctx context.Context, round int) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		dir, err := roundDirectory(base, round)
		if err != nil {
			return err
		}
		if _, err := output(command(ctx, nil, self, fleetFloorCommand, filepath.Join(g.dir, "ready.json"), dir)); err != nil {
			return err
		}
		return checkFleet(dir)
	})
}

// roundDirectory is a directory for one round, writable by whoever an SSH server runs as.
func roundDirectory(base string, round int) (string, error) {
	dir := filepath.Join(base, fmt.Sprint(round))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o777)
}

// checkFleet checks that a directory holds one whole archive for each domain.
func checkFleet(dir string) error { return checkArchives(dir, fleetDevices*fleetDomains, fleetSize) }

// checkArchives checks that a directory holds so many archives, each of a size.
func checkArchives(dir string, want int, size int64) error {
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".zip") {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		if i.Size() != size {
			return fmt.Errorf("%s has %d bytes, not %d", path, i.Size(), size)
		}
		n++
		return nil
	})
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%s holds %d archives, not %d", dir, n, want)
	}
	return nil
}

func emptyDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
