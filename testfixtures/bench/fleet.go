package main

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// fleet backs up many small domains, to a directory and to an SSH server.
func (b *bench) fleet(ctx context.Context) error {
	g, err := b.startGateways(ctx, "--devices", fmt.Sprint(fleetDevices), "--domains", fmt.Sprint(fleetDomains), "--export-size", fmt.Sprint(fleetSize))
	if err != nil {
		return err
	}
	defer g.close()
	if err := b.fleetToDirectory(ctx, g); err != nil {
		return err
	}
	return b.fleetToSSH(ctx, g)
}

func (b *bench) fleetToDirectory(ctx context.Context, g *gateways) error {
	ours, err := b.mkdir("ours")
	if err != nil {
		return err
	}
	peer, err := b.mkdir("peer")
	if err != nil {
		return err
	}
	plan, err := g.writePlan(fileDestination(ours))
	if err != nil {
		return err
	}
	t, err := b.interleave(ctx,
		b.fleetApply(g, plan, ours),
		b.fleetScript("curl, xmllint, cp", g, peer, "DEST="+peer))
	if err != nil {
		return err
	}
	b.add(t.cpu(faster("a.file", "200 domains of 2 MB on 10 gateways to a directory: dprun apply against xargs -P8 over curl, xmllint, base64 and cp",
		t.of("dprun"), t.of("curl, xmllint, cp"), 3), "dprun", "curl, xmllint, cp"))
	return nil
}

func (b *bench) fleetToSSH(ctx context.Context, g *gateways) error {
	s, err := sshd.Run(ctx, sshd.Options{Base: b.dir})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	ours, peer, err := twoDirectories(s)
	if err != nil {
		return err
	}
	plan, err := g.writePlan(sftpDestination(s, ours, ""))
	if err != nil {
		return err
	}
	t, err := b.interleave(ctx,
		b.fleetApply(g, plan, ours),
		b.fleetScript("curl, xmllint, sftp", g, peer, "DEST="+peer, "SFTP="+strings.Join(sftpCommand(s), " ")))
	if err != nil {
		return err
	}
	b.add(t.cpu(faster("a.sftp", "the same to OpenSSH's sshd: dprun apply, read back, against each file put by OpenSSH sftp under xargs -P8",
		t.of("dprun"), t.of("curl, xmllint, sftp"), 4), "dprun", "curl, xmllint, sftp"))
	return nil
}

// fleetApply is dprun, into a directory that is empty at the start.
func (b *bench) fleetApply(g *gateways, plan, dir string) contender {
	return contender{"dprun", func(ctx context.Context, _ int) (map[string]float64, error) {
		a, err := b.apply(ctx, g, plan, nil)
		if err != nil {
			return nil, err
		}
		if want := fleetDevices * fleetDomains; a.succeeded != want {
			return nil, fmt.Errorf("%d tasks of %d succeeded", a.succeeded, want)
		}
		return wall(a.wall), emptyFleet(dir)
	}}
}

// fleetScript is the peer: one shell for each domain, eight at a time.
func (b *bench) fleetScript(name string, g *gateways, dir string, env ...string) contender {
	return contender{name, func(ctx context.Context, _ int) (map[string]float64, error) {
		work, err := b.mkdir("work")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(work)
		var list strings.Builder
		for _, d := range g.Devices {
			for _, domain := range d.applications() {
				fmt.Fprintln(&list, d.Name, domain)
			}
		}
		file := filepath.Join(work, "fleet.sh")
		if err := os.WriteFile(file, []byte(fleetPeer), 0o600); err != nil {
			return nil, err
		}
		env := append(env, "GATEWAYS="+g.dir, "WORK="+work, "REQUEST="+exportRequest)
		cmd := command(ctx, env, "xargs", "-P8", "-n2", "bash", file)
		cmd.Stdin = strings.NewReader(list.String())
		start := time.Now()
		if _, err := output(cmd); err != nil {
			return nil, err
		}
		took := time.Since(start)
		return wall(took), emptyFleet(dir)
	}}
}

// emptyFleet checks that a directory holds one whole archive for each domain, and empties it.
func emptyFleet(dir string) error {
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".zip") {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		if i.Size() != fleetSize {
			return fmt.Errorf("%s has %d bytes, not %d", path, i.Size(), fleetSize)
		}
		n++
		return nil
	})
	if err != nil {
		return err
	}
	if want := fleetDevices * fleetDomains; n != want {
		return fmt.Errorf("%s holds %d archives, not %d", dir, n, want)
	}
	return emptyDirectory(dir)
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
