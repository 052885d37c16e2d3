package runner

import (
	"context"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
)

const (
	roomsSince = 60 * 24 * time.Hour  // how far back a forecast looks
	roomsSpan  = 3 * 24 * time.Hour   // less than that says nothing
	fillsMost  = 400 * 24 * time.Hour // what is further away is no news
)

// rooms says how much room each destination of a plan had last, and when it will be full.
func rooms(ctx context.Context, j *journal.Journal, plan string, destinations []string, now time.Time) (out []report.Room, err error) {
	for _, d := range destinations {
		rows, err := j.Rooms(ctx, plan, d, now.Add(-roomsSince))
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			r := room(rows[0])
			r.FillsIn = fillsIn(rows)
			out = append(out, r)
		}
	}
	return out, nil
}

func room(r journal.Room) report.Room {
	return report.Room{Destination: r.Destination, Root: r.Root, Free: r.Free, Total: r.Total, At: r.At}
}

// fillsIn foresees how long after the newest row nothing is free, by the straight line that fits the rows best. Those of
// another place or size say nothing of this one. 0: it does not fill, or nobody can tell.
func fillsIn(rows []journal.Room) time.Duration {
	newest := rows[0]
	var n, x, y, xx, xy float64
	var span time.Duration
	for _, r := range rows {
		if r.Root != newest.Root || r.Total != newest.Total || r.Free < 0 {
			break
		}
		span = newest.At.Sub(r.At)
		t, free := -span.Hours(), float64(r.Free)
		n, x, y, xx, xy = n+1, x+t, y+free, xx+t*t, xy+t*free
	}
	if n < 3 || span < roomsSpan {
		return 0
	}
	lost := -(n*xy - x*y) / (n*xx - x*x) // bytes an hour
	if hours := float64(newest.Free) / lost; lost > 0 && hours < fillsMost.Hours() {
		return max(time.Duration(hours*float64(time.Hour)).Round(time.Hour), time.Hour)
	}
	return 0
}
