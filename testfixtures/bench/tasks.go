package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Part g: many small tasks, where the cost of a task counts.
const (
	tasksDevices = 50
	manyDomains  = 200
	fewDomains   = 20
	taskSize     = 32 << 10
	peerShare    = 10 // the peer does one of so many tasks
)

// tasks backs up 10,000 domains of 32 KiB, and as many of gateways that have
// 200 domains as of gateways that have 20.
func (b *bench) tasks(ctx context.Context) error {
	start := func(domains int) (*gateways, error) {
		return b.startGateways(ctx, "--devices", fmt.Sprint(tasksDevices), "--domains", fmt.Sprint(domains), "--export-size", fmt.Sprint(taskSize))
	}
	large, err := start(manyDomains)
	if err != nil {
		return err
	}
	defer large.close()
	small, err := start(fewDomains)
	if err != nil {
		return err
	}
	defer small.close()

	const all, few, chosen, script = "", " 20 of 20", " 20 of 200", "curl, xmllint, cp"
	of := func(g *gateways, domains []string, tasks int) load {
		return load{func(dest string) (string, error) {
			reference, block := fileDestination(dest)
			return g.writePlanOf(domains, reference, block)
		}, tasks, taskSize, sampleLarge}
	}
	var contenders []contender
	for _, s := range b.sides() {
		contenders = append(contenders, s.run(s.name+all, of(large, everyApplication, tasksDevices*manyDomains)),
			s.run(s.name+few, of(small, everyApplication, tasksDevices*fewDomains)),
			s.run(s.name+chosen, of(large, large.Devices[0].applications()[:fewDomains], tasksDevices*fewDomains)))
	}
	contenders = append(contenders, b.tenth(script, large))
	t, err := b.interleave(ctx, contenders...)
	if err != nil {
		return err
	}
	const tasks = tasksDevices * manyDomains
	what := fmt.Sprintf("%d exports of 32 KiB on %d gateways with %d domains each, to a directory", tasks, tasksDevices, manyDomains)
	b.add(t.cpu(faster("g.time", what+": dprun apply against xargs -P8 over curl, xmllint, base64 and cp", t.of("dprun"), each(t.of(script), 1./peerShare), 3).
		with("the peer does every tenth task, and its time is taken ten times; it checks nothing"), "dprun", script))
	b.add(plain("g.task", what+": processor time of dprun and its plugins, of one task", "ms", each(t["dprun"][cpuTime], tasks/1e3), 0).info())
	b.add(share("g.domains", fmt.Sprintf("%d tasks on gateways of which each has %d domains, 20 of them backed up, against gateways with %d: processor time",
		tasksDevices*fewDomains, manyDomains, fewDomains), t["dprun"+chosen][cpuTime], t["dprun"+few][cpuTime], 1.1))
	b.add(plain("g.journal", what+": the journal, of one finished task", "bytes", t["dprun"][journalBytes], 2500))
	b.add(plain("g.memory", what+": "+memoryPurpose, "MiB", t["dprun"][peakMemory], 0).info())
	if b.old != "" {
		b.add(share("g.old", what+": processor time against the older dprun's", t["dprun"][cpuTime], t["old"][cpuTime], 0.35))
		b.add(share("g.old.time", what+": time against the older dprun's", t.of("dprun"), t.of("old"), 0).info())
		b.add(share("g.old.journal", what+": the journal against the older dprun's", t["dprun"][journalBytes], t["old"][journalBytes], 0).info().in("bytes"))
		b.add(share("g.old.domains", "g.domains of the older dprun", t["old"+chosen][cpuTime], t["old"+few][cpuTime], 0).info())
	}
	return nil
}

// tenth is the peer on one of ten tasks.
func (b *bench) tenth(name string, g *gateways) contender {
	var list []string
	n := 0
	for _, d := range g.Devices {
		for _, domain := range d.applications() {
			if n++; n%peerShare == 0 {
				list = append(list, d.Name+" "+domain)
			}
		}
	}
	return contender{name, func(ctx context.Context, _ int) (map[string]float64, error) {
		work, err := b.mkdir("work")
		if err != nil {
			return nil, err
		}
		dest, err := b.mkdir("peer")
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := b.scripted(ctx, g, strings.Join(list, "\n"), work, dest); err != nil {
			return nil, err
		}
		return wall(time.Since(start)), checkArchives(dest, len(list), taskSize)
	}}
}
