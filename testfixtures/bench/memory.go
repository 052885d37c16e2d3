package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// Memory is bounded by this, whatever the size of an archive.
const (
	memoryLimit   = 104 // MiB
	memoryGrowth  = 1.1 // of the largest archive against the smallest
	sampleEvery   = 50 * time.Millisecond
	bytesPerMebi  = 1 << 20
	memoryPurpose = "peak of the summed PSS of dprun and its plugins"
)

// memory samples the processes of an apply.
func (b *bench) memory(ctx context.Context) error {
	s, err := sshd.Run(ctx, sshd.Options{Base: b.dir})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	dirs, err := remoteDirectories(s, "ours")
	if err != nil {
		return err
	}
	peaks := map[string][]float64{}
	for _, size := range []string{"500MB", "1GB", "2GB"} {
		if peaks[size], err = b.memoryAt(ctx, size, s, dirs[0]); err != nil {
			return err
		}
	}
	flat := share("c.both.flat", memoryPurpose+", 2 GB against 500 MB, to a directory and an SSH server", peaks["2GB"], peaks["500MB"], memoryGrowth)
	flat.Unit = "MiB"
	b.add(flat)
	return nil
}

// memoryAt measures one size, with a directory and then with a directory and
// an SSH server at once, and gives the peaks of the latter in MiB.
func (b *bench) memoryAt(ctx context.Context, size string, s *sshd.Server, remote string) (both []float64, err error) {
	g, err := b.startArchive(ctx, size)
	if err != nil {
		return nil, err
	}
	defer g.close()
	local, err := b.mkdir("ours")
	if err != nil {
		return nil, err
	}
	file, fileBlock := fileDestination(local)
	ssh, sshBlock := sftpDestination(s, remote, sdk.VerifyReadBack)
	for _, c := range []struct{ id, to, references, blocks string }{
		{"c.file." + size, "to a directory", file, fileBlock},
		{"c.both." + size, "to a directory and an SSH server", file + ", " + ssh, fileBlock + sshBlock},
	} {
		plan, err := g.writePlan(c.references, c.blocks)
		if err != nil {
			return nil, err
		}
		f := figure{ID: c.id, About: fmt.Sprintf("%s, %s %s", memoryPurpose, size, c.to), Unit: "MiB", Bound: atMost, Target: memoryLimit}
		processes := 0
		t, err := b.interleave(ctx, contender{c.id, func(ctx context.Context, _ int) (map[string]float64, error) {
			var p *sampler
			if _, err := b.apply(ctx, plan, func(cmd *exec.Cmd) { p = sample(cmd.Process.Pid, sampleEvery) }); err != nil {
				return nil, err
			}
			peak, n := p.end()
			processes = max(processes, n)
			if err := emptyDirectory(local); err != nil {
				return nil, err
			}
			return map[string]float64{"": float64(peak) / bytesPerMebi}, emptyDirectory(remote)
		}})
		if err != nil {
			return nil, err
		}
		f.Rounds = t.of(c.id)
		f.Ours = slices.Max(f.Rounds)
		both = f.Rounds
		b.add(f.with("%d processes", processes))
	}
	return both, nil
}

// sampler follows the memory of a process and its descendants.
type sampler struct {
	stop, stopped chan struct{}
	peak          int64
	processes     int
}

func sample(pid int, every time.Duration) *sampler {
	s := &sampler{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(s.stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			var sum int64
			n := 0
			for _, p := range family(pid) {
				if size := pss(p); size > 0 {
					sum += size
					n++
				}
			}
			s.peak, s.processes = max(s.peak, sum), max(s.processes, n)
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return s
}

// end stops sampling and gives the peak in bytes and the most processes at a time.
func (s *sampler) end() (int64, int) {
	close(s.stop)
	<-s.stopped
	return s.peak, s.processes
}
