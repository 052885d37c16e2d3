#!/usr/bin/env bash
# reugn/go-quartz: a trigger for the 31st fires on the 1st of the next month.
#
# Guess: a month without that day is left out, as cron does: after 1 November
#   the 31st comes on 31 December, and 29 February comes in 2028. (robfig/cron,
#   asked the same, says just that.)
# Seen:  the first time is 1 December, and 1 March 2027: the day that is not in
#   the month runs over into the next one. From there on the times are right,
#   so that only a trigger that is set up in a short month shows it.
# Version: github.com/reugn/go-quartz v0.15.2; github.com/robfig/cron/v3 v3.0.1.
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

	"github.com/reugn/go-quartz/quartz"
	"github.com/robfig/cron/v3"
)

func main() {
	for _, ask := range []struct{ expression, from string }{
		{"0 0 31 * *", "2026-10-05"},
		{"0 0 31 * *", "2026-11-05"},
		{"0 0 31 * *", "2027-04-05"},
		{"0 0 30 * *", "2027-02-05"},
		{"0 0 29 2 *", "2026-11-05"},
	} {
		from, err := time.Parse(time.DateOnly, ask.from)
		check(err)
		trigger, err := quartz.NewCronTriggerWithLoc("0 "+ask.expression, time.UTC)
		check(err)
		next, err := trigger.NextFireTime(from.UnixNano())
		check(err)
		other, err := cron.ParseStandard(ask.expression)
		check(err)
		fmt.Printf("%q after %s: go-quartz %s, robfig/cron %s\n", ask.expression, ask.from,
			time.Unix(0, next).UTC().Format(time.DateOnly), other.Next(from).Format(time.DateOnly))
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
go mod init example.com/finding 2>log && go get github.com/reugn/go-quartz@v0.15.2 github.com/robfig/cron/v3@v3.0.1 2>>log || { cat log; exit 1; }
go run . >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
"0 0 31 * *" after 2026-10-05: go-quartz 2026-10-31, robfig/cron 2026-10-31
"0 0 31 * *" after 2026-11-05: go-quartz 2026-12-01, robfig/cron 2026-12-31
"0 0 31 * *" after 2027-04-05: go-quartz 2027-05-01, robfig/cron 2027-05-31
"0 0 30 * *" after 2027-02-05: go-quartz 2027-03-02, robfig/cron 2027-03-30
"0 0 29 2 *" after 2026-11-05: go-quartz 2027-03-01, robfig/cron 2028-02-29
EXPECTED
