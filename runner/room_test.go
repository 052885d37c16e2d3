package runner

import (
	"testing"
	"time"

	"github.com/dprun/dprun/runner/journal"
)

func TestAForecastSaysWhenADestinationIsFull(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	now := time.Date(2026, 11, 28, 2, 30, 0, 0, time.UTC)
	rows := func(free ...int64) (out []journal.Room) { // the newest first, a day apart
		for i, f := range free {
			out = append(out, journal.Room{Destination: "sftp.vault", Root: "sftp://vault/b", Free: f * gib, Total: 100 * gib, At: now.AddDate(0, 0, -i)})
		}
		return out
	}
	moved := rows(10, 12, 14, 16, 18)
	moved[1].Root = "sftp://vault/other"
	grown := rows(10, 12, 14, 16, 18)
	grown[2].Total = 50 * gib
	silent := rows(10, 12, 14, 16, 18)
	for i := range silent {
		silent[i].Free, silent[i].Total = -1, -1
	}
	for what, c := range map[string]struct {
		rows []journal.Room
		want time.Duration
	}{
		"2 GiB a day":          {rows(10, 12, 14, 16, 18), 5 * 24 * time.Hour},
		"full":                 {rows(0, 2, 4, 6), time.Hour},
		"it empties":           {rows(18, 16, 14, 12), 0},
		"it stays":             {rows(10, 10, 10, 10), 0},
		"in many years":        {rows(9999, 10000, 10001, 10002), 0},
		"two days say nothing": {rows(10, 12, 14), 0},
		"one run":              {rows(10), 0},
		"it was another place": {moved, 0},
		"it was made larger":   {grown, 0},
		"it does not tell":     {silent, 0},
		"a retention deletes":  {rows(10, 8, 13, 11, 16, 14, 19), 160 * time.Hour},
	} {
		if got := fillsIn(c.rows); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}
