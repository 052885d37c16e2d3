package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// startsEach is how often a short command runs in one turn: one lasts
// milliseconds, and the kernel counts processor time in coarse steps.
const startsEach = 40

// shortPlan has 20 lines.
const shortPlan = `device "datapower" "gw" {
  config {
    host     = "gw.example.net"
    username = "backup"
    password = secret_env("GATEWAY_PASSWORD")
  }
}

destination "file" "here" {
  config { directory = "backups" }
}

plan "nightly" {
  destinations = [destination.file.here]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`

// firstTask is the time from the start of dprun until its first task has begun.
const firstTask = "first"

// startup measures what every invocation pays: `dprun version`, `validate` of a
// small plan, and the time until the first task of a run has begun.
func (b *bench) startup(ctx context.Context) error {
	g, err := b.startArchive(ctx, "64KB")
	if err != nil {
		return err
	}
	defer g.close()
	dir, err := b.mkdir("startup")
	if err != nil {
		return err
	}
	plan := filepath.Join(dir, "plan.hcl")
	if err := os.WriteFile(plan, []byte(shortPlan), 0o600); err != nil {
		return err
	}
	var contenders []contender
	for _, s := range b.sides() {
		contenders = append(contenders, s.starts(s.name+" version", "version"), s.starts(s.name+" validate", "validate", plan), s.first(s.name+" first", g))
	}
	t, err := b.interleave(ctx, contenders...)
	if err != nil {
		return err
	}
	ms := func(name, value string) []float64 { return each(t[name][value], 1./1e3) }
	starts := func(name string) []float64 { return each(ms(name, cpuTime), startsEach) }
	version, validate := starts("dprun version"), starts("dprun validate")
	b.add(share("j.validate", "dprun validate of a plan of 20 lines against dprun version: processor time", validate, version, 1.5).in("ms"))
	b.add(plain("j.first", "from the start of dprun apply until the first task has begun", "ms", ms("dprun first", firstTask), 0).info())
	if b.old != "" {
		b.add(share("j.version.old", "dprun version against the older dprun's: processor time", version, starts("old version"), 0.7).in("ms"))
		b.add(share("j.validate.old", "dprun validate against the older dprun's: processor time", validate, starts("old validate"), 0).info().in("ms"))
		b.add(share("j.first.old", "until the first task has begun, against the older dprun's", ms("dprun first", firstTask), ms("old first", firstTask), 0).info().in("ms"))
	}
	return nil
}

// starts runs a command several times, one after the other.
func (b *bench) starts(name string, args ...string) contender {
	return timed(name, func(ctx context.Context, _ int) error {
		for range startsEach {
			if _, err := output(command(ctx, nil, b.dprun, args...)); err != nil {
				return err
			}
		}
		return nil
	})
}

// first backs up one domain.
func (b *bench) first(name string, g *gateways) contender {
	return contender{name, func(ctx context.Context, _ int) (_ map[string]float64, err error) {
		dest, err := b.mkdir("first")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dest)) }()
		plan, err := g.writePlan(fileDestination(dest))
		if err != nil {
			return nil, err
		}
		a, err := b.apply(ctx, plan, nil)
		if err != nil {
			return nil, err
		}
		begun, ok := a.first["EXECUTION_STARTED"]
		if !ok {
			return nil, fmt.Errorf("no task has begun")
		}
		return map[string]float64{"": a.wall.Seconds(), firstTask: begun.Sub(a.began.Round(time.Microsecond)).Seconds()}, nil
	}}
}
