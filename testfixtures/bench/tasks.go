package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Part g: many small tasks, where the cost of a task counts.
const (
	manyDomains = 200 // of each of 50 gateways
	fewDomains  = 20  // of each of 100 gateways
	largeFleet  = 50
	smallFleet  = 100
	taskSize    = 32 << 10
	peerShare   = 10 // the peer does one of so many tasks
)

// tasks backs up 10,000 domains of 32 KiB, and then as many domains of gateways
// that have 200 as of gateways that have 20.
func (b *bench) tasks(ctx context.Context) error {
	start := func(devices, domains int) (*gateways, error) {
		return b.startGateways(ctx, "--devices", fmt.Sprint(devices), "--domains", fmt.Sprint(domains), "--export-size", fmt.Sprint(taskSize))
	}
	large, err := start(largeFleet, manyDomains)
	if err != nil {
		return err
	}
	defer large.close()
	small, err := start(smallFleet, fewDomains)
	if err != nil {
		return err
	}
	defer small.close()

	const all, script = largeFleet * manyDomains, "curl, xmllint, cp"
	of := func(g *gateways, devices int, domains []string, tasks int) load {
		return load{func(dest string) (string, error) {
			reference, block := fileDestination(dest)
			return g.writePlanOf(g.names()[:devices], domains, reference, block)
		}, tasks, taskSize, sampleLarge}
	}
	var contenders []contender
	for _, s := range b.sides() {
		contenders = append(contenders, s.run(s.name, of(large, largeFleet, everyApplication, all)))
	}
	chosen := large.Devices[0].applications()[:fewDomains]
	t, err := b.interleave(ctx, append(contenders, b.tenth(script, large),
		b.run("at 200", of(large, smallFleet*fewDomains/manyDomains, everyApplication, smallFleet*fewDomains)),
		b.run("at 20", of(small, smallFleet, everyApplication, smallFleet*fewDomains)),
		b.run("20 of 200", of(large, largeFleet, chosen, largeFleet*fewDomains)),
		b.run("20 of 20", of(small, largeFleet, everyApplication, largeFleet*fewDomains)))...)
	if err != nil {
		return err
	}
	const what = "10,000 exports of 32 KiB on 50 gateways with 200 domains each, to a directory: "
	b.add(t.cpu(faster("g.time", what+"dprun apply against xargs -P8 over curl, xmllint, base64 and cp", t.of("dprun"), each(t.of(script), 1./peerShare), 3).
		with("the peer does every tenth task, and its time is taken ten times; it checks nothing"), "dprun", script))
	b.add(plain("g.task", what+"processor time of dprun and its plugins, of one task", "ms", each(t["dprun"][cpuTime], all/1e3), 0).info())
	b.add(share("g.domains", "2,000 such tasks on 10 gateways with 200 domains each against 100 gateways with 20: processor time", t["at 200"][cpuTime], t["at 20"][cpuTime], 1.1))
	b.add(share("g.domains.chosen", "1,000 such tasks on 50 gateways, 20 of the 200 domains of each, against 50 gateways with 20: processor time", t["20 of 200"][cpuTime], t["20 of 20"][cpuTime], 0).info())
	b.add(plain("g.journal", what+"the journal, of one finished task", "bytes", t["dprun"][journalBytes], 2500))
	b.add(plain("g.memory", what+memoryPurpose, "MiB", t["dprun"][peakMemory], 0).info())
	if b.old != "" {
		b.add(share("g.old", what+"processor time against the older dprun's", t["dprun"][cpuTime], t["old"][cpuTime], 0.35))
		b.add(share("g.old.time", what+"time against the older dprun's", t.of("dprun"), t.of("old"), 0).info())
		b.add(share("g.old.journal", what+"the journal, of one task, against the older dprun's", t["dprun"][journalBytes], t["old"][journalBytes], 0).info().in("bytes"))
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
