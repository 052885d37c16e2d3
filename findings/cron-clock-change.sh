#!/usr/bin/env bash
# Five cron libraries on the nights of the clock changes: no two rules are alike,
# and the maintained successor of robfig/cron runs a nightly job twice.
#
# Guess: robfig/cron leaves out half past two in spring, as its page says, and
#   runs it twice in autumn. netresearch/go-cron, which says that it handles these
#   nights like ISC cron, runs it at three in spring and once in autumn.
# Seen:  netresearch runs it at half past three in spring, and twice in autumn.
#   gronx and cronexpr leave it out in spring. In autumn cronexpr runs it twice,
#   gronx and go-quartz once, in the second pass of the hour. And "30 2 1 * MON",
#   which cron runs on the first and on every Monday, netresearch runs only on
#   Mondays that are the first of a month.
# Version: netresearch/go-cron v0.9.1, robfig/cron v3.0.1, adhocore/gronx v1.20.4,
#   hashicorp/cronexpr v1.1.3, reugn/go-quartz v0.15.2.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"
	_ "time/tzdata"

	"github.com/adhocore/gronx"
	"github.com/hashicorp/cronexpr"
	netresearch "github.com/netresearch/go-cron"
	"github.com/reugn/go-quartz/quartz"
	"github.com/robfig/cron/v3"
)

func main() {
	berlin := must(time.LoadLocation("Europe/Berlin"))
	const nightly = "30 2 * * *"
	trigger := must(quartz.NewCronTriggerWithLoc("0 "+nightly, berlin))
	libraries := []struct {
		name string
		next func(time.Time) time.Time
	}{
		{"netresearch/go-cron", must(netresearch.ParseStandard(nightly)).Next},
		{"robfig/cron", must(cron.ParseStandard(nightly)).Next},
		{"adhocore/gronx", func(t time.Time) time.Time { return must(gronx.NextTickAfter(nightly, t, false)) }},
		{"hashicorp/cronexpr", must(cronexpr.Parse(nightly)).Next},
		{"reugn/go-quartz", func(t time.Time) time.Time { return time.Unix(0, must(trigger.NextFireTime(t.UnixNano()))).In(berlin) }},
	}
	for _, day := range []string{"2027-03-27", "2027-10-30"} {
		for _, l := range libraries {
			t := must(time.ParseInLocation(time.DateOnly, day, berlin)).Add(12 * time.Hour)
			fmt.Printf("%q after %s noon, %s:", nightly, day, l.name)
			for range 2 {
				t = l.next(t)
				fmt.Print(" ", t.Format("02T15:04 MST"))
			}
			fmt.Println()
		}
	}
	t := must(time.Parse(time.DateOnly, "2026-12-01")).Add(12 * time.Hour)
	fmt.Println(`"30 2 1 * MON" after 2026-12-01:`, "netresearch", must(netresearch.ParseStandard("30 2 1 * MON")).Next(t).Format(time.DateOnly)+",",
		"robfig", must(cron.ParseStandard("30 2 1 * MON")).Next(t).Format(time.DateOnly))
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return v
}
GO
go mod init example.com/finding 2>log && go get github.com/netresearch/go-cron@v0.9.1 github.com/robfig/cron/v3@v3.0.1 github.com/adhocore/gronx@v1.20.4 \
  github.com/hashicorp/cronexpr@v1.1.3 github.com/reugn/go-quartz@v0.15.2 2>>log || { cat log; exit 1; }
go run . >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
"30 2 * * *" after 2027-03-27 noon, netresearch/go-cron: 28T03:30 CEST 29T02:30 CEST
"30 2 * * *" after 2027-03-27 noon, robfig/cron: 29T02:30 CEST 30T02:30 CEST
"30 2 * * *" after 2027-03-27 noon, adhocore/gronx: 29T02:30 CEST 30T02:30 CEST
"30 2 * * *" after 2027-03-27 noon, hashicorp/cronexpr: 29T02:30 CEST 30T02:30 CEST
"30 2 * * *" after 2027-03-27 noon, reugn/go-quartz: 28T03:30 CEST 29T02:30 CEST
"30 2 * * *" after 2027-10-30 noon, netresearch/go-cron: 31T02:30 CEST 31T02:30 CET
"30 2 * * *" after 2027-10-30 noon, robfig/cron: 31T02:30 CEST 31T02:30 CET
"30 2 * * *" after 2027-10-30 noon, adhocore/gronx: 31T02:30 CET 01T02:30 CET
"30 2 * * *" after 2027-10-30 noon, hashicorp/cronexpr: 31T02:30 CEST 31T02:30 CET
"30 2 * * *" after 2027-10-30 noon, reugn/go-quartz: 31T02:30 CET 01T02:30 CET
"30 2 1 * MON" after 2026-12-01: netresearch 2027-02-01, robfig 2026-12-07
EXPECTED
