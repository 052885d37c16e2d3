package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/dprun/dprun/runner/event"
)

// feed keeps the last news of all runs in the order in which it was committed,
// for those who follow a server. A row holds n news of one run; last is the
// number of the last one. It is written where there is or was a server.
const feed = `
CREATE TABLE feed (last INTEGER PRIMARY KEY, n INTEGER NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
`

// newsKept is how much news is kept at least: what a follower that was away for a
// night's run has missed.
const newsKept = 20_000

// newsSwept is after how much news what is older is removed.
const newsSwept = 1000

// insertNews gives the news the numbers that follow. The last row is never removed,
// so that no number is given twice.
const insertNews = `INSERT INTO feed (last, n, run, kind, body) SELECT (SELECT coalesce(max(last), 0) FROM feed) + ?1, ?1, ?2, ?3, ?4
	WHERE EXISTS (SELECT 1 FROM server) RETURNING last`

// The kinds of news.
const (
	NewsRun    = "run"    // a run has begun
	NewsStatus = "status" // an entry of a history
	NewsEnd    = "end"    // a run is over
)

// News is something that became of a run. One of the fields is set, by its kind.
type News struct {
	Seq    int64 // over all runs of the state directory
	Run    string
	Kind   string
	Begun  *event.RunInfo
	Status *event.Status
	End    *End
}

// feed enters news of a run.
func (t *transaction) feed(run, kind string, n int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the news of run %s: %w", run, err)
	}
	rows, err := t.hot[insertNews].QueryContext(t.ctx, n, run, kind, string(text))
	if err != nil {
		return err
	}
	var last int64
	for rows.Next() && err == nil {
		err = rows.Scan(&last)
	}
	if err = cmp.Or(err, rows.Err(), rows.Close()); err != nil || last == 0 {
		return err
	}
	if last/newsSwept != (last-int64(n))/newsSwept {
		_, err = t.exec("DELETE FROM feed WHERE last < ?", last-newsKept)
	}
	return err
}

// News is what became of all runs after a number, at most so many rows of it.
// more says that there is more.
func (j *Journal) News(ctx context.Context, after int64, rows int) (all []News, more bool, err error) {
	type row struct {
		last      int64
		run, kind string
		body      []byte
	}
	found, err := list(ctx, j, "read the news", func(s scanner) (r row, err error) { return r, s.Scan(&r.last, &r.run, &r.kind, &r.body) },
		"SELECT last, run, kind, body FROM feed WHERE last > ? ORDER BY last LIMIT ?", after, rows)
	for _, r := range found {
		one := News{Seq: r.last, Run: r.run, Kind: r.kind}
		switch r.kind {
		case NewsRun:
			err = json.Unmarshal(r.body, &one.Begun)
		case NewsEnd:
			err = json.Unmarshal(r.body, &one.End)
		case NewsStatus:
			var statuses []event.Status
			if err = json.Unmarshal(r.body, &statuses); err != nil {
				break
			}
			first := r.last - int64(len(statuses)) + 1
			for i := range statuses {
				if one.Seq = first + int64(i); one.Seq > after {
					one.Status = &statuses[i]
					all = append(all, one)
				}
			}
			continue
		}
		if err != nil {
			return all, false, explain("read the news", j.path, err)
		}
		all = append(all, one)
	}
	return all, len(found) == rows, err
}

// NewsEnds are the number of the newest news, and the one after which nothing is
// missing.
func (j *Journal) NewsEnds(ctx context.Context) (kept, newest int64, err error) {
	_, err = list(ctx, j, "look how much news there is", func(s scanner) (any, error) { return nil, s.Scan(&kept, &newest) },
		"SELECT coalesce((SELECT last - n FROM feed ORDER BY last LIMIT 1), 0), coalesce(max(last), 0) FROM feed")
	return kept, newest, err
}
