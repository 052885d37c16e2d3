package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/retention"
)

// example is a history of one group of sets and the rules that it is put to.
type example struct {
	title  string
	rules  string // as in a plan
	policy retention.Policy
	zone   string
	now    string // local times, as those of the sets
	sets   []exampleSet
}

type exampleSet struct {
	at     string
	change func(*retention.Set)
}

const exampleTime = "2006-01-02 15:04 -0700"

func (e example) verdicts() []retention.Verdict {
	zone, err := time.LoadLocation(e.zone)
	if err != nil {
		panic(err) // of a table in this file
	}
	at := func(text string) time.Time {
		t, err := time.Parse(exampleTime, text)
		if err != nil {
			panic(err)
		}
		return t.In(zone)
	}
	var sets []retention.Set
	for _, s := range e.sets {
		set := retention.Set{ID: s.at, Stamp: at(s.at)}
		if s.change != nil {
			s.change(&set)
		}
		sets = append(sets, set)
	}
	e.policy.Zone = zone
	return retention.Decide(e.policy, sets, at(e.now))
}

func altered(s *retention.Set) { s.Bad = "altered" }
func foreign(s *retention.Set) { s.Foreign = true }
func left(s *retention.Set)    { s.Gone = true }

func retentionCases() []example {
	times := func(list ...string) (sets []exampleSet) {
		for _, at := range list {
			sets = append(sets, exampleSet{at: at})
		}
		return sets
	}
	return []example{
		{"Days that have a set count, and the newest set of a day stays. The pause in October deletes nothing.",
			"keep_last = 2, keep_daily = 3", retention.Policy{Last: 2, Daily: 3}, "UTC", "2026-11-28 12:00 +0000",
			times("2026-09-30 02:30 +0000", "2026-10-01 02:30 +0000", "2026-11-27 02:30 +0000", "2026-11-28 02:30 +0000", "2026-11-28 09:00 +0000", "2026-11-28 11:00 +0000")},
		{"One set may be kept by several rules.",
			"keep_daily = 2, keep_weekly = 2, keep_monthly = 3", retention.Policy{Daily: 2, Weekly: 2, Monthly: 3}, "UTC", "2026-11-28 12:00 +0000",
			times("2026-09-30 02:30 +0000", "2026-10-30 02:30 +0000", "2026-10-31 02:30 +0000", "2026-11-21 02:30 +0000", "2026-11-22 02:30 +0000", "2026-11-26 02:30 +0000", "2026-11-27 02:30 +0000", "2026-11-28 02:30 +0000")},
		{"Ages count from the newest good set. It is three weeks old here, and nothing goes because of that.",
			`keep_within = "72h"`, retention.Policy{Within: 72 * time.Hour}, "UTC", "2026-11-28 12:00 +0000",
			times("2026-11-03 02:30 +0000", "2026-11-04 02:30 +0000", "2026-11-06 02:30 +0000", "2026-11-07 02:30 +0000")},
		{"The night in which the clocks go back: half past two comes twice, on one day.",
			`keep_daily = 2, timezone = "Europe/Berlin"`, retention.Policy{Daily: 2}, "Europe/Berlin", "2026-10-25 12:00 +0100",
			times("2026-10-23 23:59 +0200", "2026-10-24 23:59 +0200", "2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100")},
		{"What does not count does not go either: an altered set, one of another state directory, one of a device that left the plan, one of the future.",
			"keep_last = 1", retention.Policy{Last: 1}, "UTC", "2026-11-28 12:00 +0000",
			[]exampleSet{{at: "2026-11-20 02:30 +0000"}, {"2026-11-21 02:30 +0000", altered}, {"2026-11-22 02:30 +0000", foreign}, {"2026-11-23 02:30 +0000", left}, {at: "2026-11-24 02:30 +0000"}, {at: "2031-01-01 00:00 +0000"}}},
	}
}

// retentionExamples writes what the rules make of each history, by the code
// that decides it.
func retentionExamples(b *bytes.Buffer) {
	for i, e := range retentionCases() {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "%s With `%s`, on %s:\n\n| Set | | Why |\n|---|---|---|\n", e.title, strings.ReplaceAll(e.rules, ", ", "`, `"), e.now)
		for _, v := range e.verdicts() {
			word := "**goes**"
			if v.Keep {
				word = "stays"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", v.Stamp.Format(exampleTime), word, strings.Join(v.Why, ", "))
		}
	}
}
