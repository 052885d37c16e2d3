package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Parts h and i run the plugin note (testfixtures/bench/note), whose artifacts
// cost nothing to make: what is measured is dprun's own work for a task.
const (
	noteDevices  = 50
	noteDomains  = 200 // of each: 10,000 tasks
	noteSize     = 1 << 10
	sizeTimes    = 10 // the large run of part h has so many times as many
	largestPeak  = 600
	tofuVersion  = "v1.12.6"
	tofuModule   = "github.com/opentofu/opentofu"
	tofuResource = "resource \"terraform_data\" \"r%05d\" {\n  input = \"%05d\"\n}\n"
)

const notePlan = `
device "note" "box" {
  for_each = toset(%s)
  config {
    name    = each.key
    domains = %d
  }
}

plan "bench" {
  destinations = [%s]
  limits {
    parallel   = %d
    per_device = 4
  }
  activity "write" "notes" {
    devices = ["*"]
    domains = ["*"]
  }
}
`

// notes is a load of the plugin note in a directory of its own.
func (b *bench) notes(devices, domains int) (load, error) {
	dir, err := b.mkdir("notes")
	if err != nil {
		return load{}, err
	}
	names := make([]string, devices)
	for i := range names {
		names[i] = fmt.Sprintf("box-%02d", i+1)
	}
	return load{func(dest string) (string, error) {
		reference, block := fileDestination(dest)
		path := filepath.Join(dir, "plan.hcl")
		return path, os.WriteFile(path, fmt.Appendf(nil, notePlan+block, listOf(names), domains, reference, parallel), 0o600)
	}, devices * domains, noteSize, sampleLarge}, nil
}

// size compares a run of 100,000 tasks with one of 10,000, each once.
func (b *bench) size(ctx context.Context) error {
	few, err := b.notes(noteDevices, noteDomains)
	if err != nil {
		return err
	}
	many, err := b.notes(noteDevices, noteDomains*sizeTimes)
	if err != nil {
		return err
	}
	once := b.once()
	t, err := once.interleave(ctx, once.run("10,000", few), once.run("100,000", many))
	if err != nil {
		return err
	}
	const what = "100,000 tasks of 1 KiB on 50 devices against 10,000"
	peak := t["100,000"][peakMemory]
	b.add(share("h.cpu", what+": processor time", t["100,000"][cpuTime], t["10,000"][cpuTime], 11))
	b.add(share("h.time", what+": time", t.of("100,000"), t.of("10,000"), 0).info())
	b.add(share("h.memory", what+": "+memoryPurpose, peak, t["10,000"][peakMemory], 6).in("MiB"))
	b.add(plain("h.peak", "100,000 tasks of 1 KiB on 50 devices: "+memoryPurpose, "MiB", peak, largestPeak))
	return nil
}

// opentofu compares 10,000 tasks with a plan and its apply of 10,000 resource
// blocks that do nothing.
func (b *bench) opentofu(ctx context.Context) error {
	ours, err := b.notes(noteDevices, noteDomains)
	if err != nil {
		return err
	}
	program, err := b.tofuProgram(ctx)
	if err != nil {
		return err
	}
	dir, err := b.mkdir("tofu")
	if err != nil {
		return err
	}
	var text strings.Builder
	for i := range ours.tasks {
		fmt.Fprintf(&text, tofuResource, i, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text.String()), 0o600); err != nil {
		return err
	}
	if _, err := tofu(ctx, program, dir, 0, "init"); err != nil {
		return err
	}
	peer := contender{"tofu", func(ctx context.Context, _ int) (map[string]float64, error) {
		for _, f := range []string{"terraform.tfstate", "plan.out"} {
			if err := os.RemoveAll(filepath.Join(dir, f)); err != nil {
				return nil, err
			}
		}
		start := time.Now()
		planned, err := tofu(ctx, program, dir, ours.tasks, "plan", "-out=plan.out")
		if err != nil {
			return nil, err
		}
		applied, err := tofu(ctx, program, dir, ours.tasks, "apply", "plan.out")
		return map[string]float64{"": time.Since(start).Seconds(), peakMemory: float64(max(planned, applied)) / bytesPerMebi}, err
	}}
	t, err := b.interleave(ctx, peer, b.run("dprun", ours))
	if err != nil {
		return err
	}
	const what = "10,000 tasks of a plugin that makes an artifact of 1 KiB, stored in a directory, against OpenTofu's plan and apply of 10,000 terraform_data blocks"
	b.add(t.cpu(share("i.time", what+": time", t.of("dprun"), t.of("tofu"), 0.3), "dprun", "tofu"))
	b.add(share("i.memory", what+": memory of all processes, peak of the summed PSS", t["dprun"][peakMemory], t["tofu"][peakMemory], 0.3).in("MiB"))
	b.add(share("i.cpu", what+": processor time", t["dprun"][cpuTime], t["tofu"][cpuTime], 0).info())
	return nil
}

// tofu runs a command of OpenTofu in a directory and gives the highest sum of
// the PSS of its processes. It must speak of so many resources.
func tofu(ctx context.Context, program, dir string, resources int, args ...string) (peak int64, err error) {
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		return 0, err
	}
	defer said.Close()
	cmd := command(ctx, []string{"TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=/dev/null"},
		program, append([]string{"-chdir=" + dir, args[0], "-input=false", "-no-color"}, args[1:]...)...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	p := sample(cmd.Process.Pid, sampleLarge)
	err = cmd.Wait()
	peak, _ = p.end()
	text, _ := os.ReadFile(said.Name())
	if err != nil {
		return 0, fmt.Errorf("tofu %s: %w: %s", args[0], err, tail(text))
	}
	if resources > 0 && !strings.Contains(string(text), fmt.Sprintf("%d to add", resources)) && !strings.Contains(string(text), fmt.Sprintf("%d added", resources)) {
		return 0, fmt.Errorf("tofu %s does not speak of %d resources: %s", args[0], resources, tail(text))
	}
	return peak, nil
}

// tofuProgram is OpenTofu: the one that -tofu names, else one that is built once
// from the module proxy's source, which takes minutes, and kept in the user's cache.
// `go install` refuses it, because its go.mod replaces a module.
func (b *bench) tofuProgram(ctx context.Context) (string, error) {
	if b.tofu != "" {
		return filepath.Abs(b.tofu)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "dprun-bench", "tofu-"+tofuVersion, "tofu")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(os.Stderr, "   building OpenTofu %s, once; this takes minutes\n", tofuVersion)
	said, err := output(command(ctx, nil, "go", "mod", "download", "-json", tofuModule+"@"+tofuVersion))
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(said, &module); err != nil {
		return "", fmt.Errorf("go mod download %s: %w", tofuModule, err)
	}
	_, err = output(command(ctx, []string{"CGO_ENABLED=0"}, "nice", "go", "build", "-C", module.Dir, "-trimpath", "-o", program, "./cmd/tofu"))
	return program, err
}

// fewNotes is a run of 1,000 tasks, whose journal part k multiplies.
func (b *bench) fewNotes(ctx context.Context, state string) error {
	few, err := b.notes(5, 200)
	if err != nil {
		return err
	}
	dest, err := b.mkdir("dest")
	if err != nil {
		return err
	}
	plan, err := few.write(dest)
	if err != nil {
		return err
	}
	a, err := b.applyIn(ctx, state, plan, func(*exec.Cmd) {})
	if err == nil && a.succeeded != few.tasks {
		err = fmt.Errorf("%d tasks of %d succeeded", a.succeeded, few.tasks)
	}
	return err
}
