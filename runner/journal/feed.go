package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dprun/dprun/runner/event"
)

// The feed table keeps the last news of all runs in the order of their commits,
// for the followers of a server. A row holds n news of one run; last is the
// number of its last one. Rows are written only if the state directory has or had
// a server.
const feed = `
CREATE TABLE feed (last INTEGER PRIMARY KEY, n INTEGER NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
`

// newsKept is the least number of news that are kept: enough for a follower that
// was away during a night's run.
const newsKept = 20_000

// newsSwept is the number of news after which older ones are removed again.
const newsSwept = 1000

// insertNews numbers the news on from the last row. That row is never removed, so
// no number is given twice.
const insertNews = `INSERT INTO feed (last, n, run, kind, body) SELECT (SELECT coalesce(max(last), 0) FROM feed) + ?1, ?1, ?2, ?3, ?4
	WHERE EXISTS (SELECT 1 FROM server) RETURNING last`

// The kinds of news.
const (
	NewsRun    = "run"    // a run has begun
	NewsStatus = "status" // an entry of a history
	NewsEnd    = "end"    // a run is over
	NewsGap    = "gap"    // what stood here cannot be read, or was lost with an earlier journal
)

// News is one change of a run. Kind says which of the last three fields is set.
type News struct {
	Seq    int64 // counts over all runs of the state directory
	Run    string
	Kind   string
	Begun  *event.RunInfo
	Status *event.Status
	End    *End
}

// feed enters n news of a run: body is the news itself, or the list of n statuses.
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

// News returns the changes of all runs after a number, from at most the given
// number of rows. more says that there may be more rows. A row that cannot be read
// is a [NewsGap].
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
			if len(statuses) == 0 {
				err = errors.New("a row of the feed holds nothing")
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
		if err != nil { // the rows behind it are still good
			one, err = News{Seq: r.last, Kind: NewsGap}, nil // of no run: who may see the run need not see what is wrong
		}
		all = append(all, one)
	}
	return all, len(found) == rows, err
}

// NewsEnds returns the number of the newest news, and kept: a follower that has
// all news up to kept or later has missed nothing.
func (j *Journal) NewsEnds(ctx context.Context) (kept, newest int64, err error) {
	_, err = list(ctx, j, "look how much news there is", func(s scanner) (any, error) { return nil, s.Scan(&kept, &newest) },
		"SELECT coalesce((SELECT last - n FROM feed ORDER BY last LIMIT 1), 0), coalesce(max(last), 0) FROM feed")
	return kept, newest, err
}
