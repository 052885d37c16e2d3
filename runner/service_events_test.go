package runner

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// desk is a server's newsfeed with a journal, and nothing else.
type desk struct {
	*Service
	journal *journal.Journal
	runs    int
}

func newDesk(t testing.TB) *desk {
	j := need.Value(journal.Open(filepath.Join(t.TempDir(), "journal.db")))(t)
	need.Done(t, j.SetServer(context.Background(), journal.Server{Host: "h"}))
	d := &desk{journal: j}
	d.open(t)
	t.Cleanup(func() { _ = j.Close() })
	return d
}

// open starts the server again.
func (d *desk) open(t testing.TB) {
	d.Service = &Service{feed: newNewsfeed(d.journal, slog.New(slog.DiscardHandler))}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { d.feed.serve(done); close(ended) }()
	t.Cleanup(func() { close(done); <-ended })
}

// run enters a run with tasks of ten statuses each. Like a real run, it publishes
// them after their commit.
func (d *desk) run(t testing.TB, tasks int) (id string, took time.Duration) {
	began := time.Now()
	sink := newPatientSink(newsSink{feed: d.feed})
	d.runs++
	id = fmt.Sprintf("01R%023d", d.runs)
	need.Done(t, d.journal.CreateRun(context.Background(), journal.Run{ID: id, Plan: "p", Started: began}))
	sink.Run(event.RunInfo{Run: id})
	for n := 1; n <= 10; n++ {
		for from := 0; from < tasks; from += 10 {
			var b journal.Batch
			for i := from; i < min(tasks, from+10); i++ {
				b.Statuses = append(b.Statuses, event.Status{Run: id, Task: fmt.Sprintf("t%d", i), Seq: n, Plan: "p", Device: "gw", Code: "C", Final: n == 10, Time: began})
			}
			need.Done(t, d.journal.Append(context.Background(), id, b))
			sink.Statuses(b.Statuses)
			sink.Progress(event.Progress{Run: id, Task: "t1"})
		}
	}
	need.Done(t, d.journal.FinishRun(context.Background(), id, journal.End{Time: time.Now(), ExitCode: 3, Code: "X"}))
	sink.Summary(event.Summary{Run: id})
	return id, time.Since(began)
}

// follow checks the events that a follower gets of a run, up to its summary.
func (d *desk) follow(ctx context.Context, q EventsRequest, run string, tasks int) error {
	seen, last := map[string]int{}, int64(0)
	ended := false
	for e, err := range d.Events(ctx, q) {
		switch {
		case err != nil:
			return err
		case e.Kind == report.LiveGap:
			return errors.New("a gap")
		case e.Seq > 0 && last > 0 && e.Seq != last+1 && q.Run == "":
			return fmt.Errorf("%d follows %d", e.Seq, last)
		case e.Seq > 0:
			last = e.Seq
		}
		switch {
		case e.Run != run:
		case e.Status != nil:
			if seen[e.Status.Task]++; seen[e.Status.Task] != e.Status.Seq {
				return fmt.Errorf("status %d of %s is number %d", e.Status.Seq, e.Status.Task, seen[e.Status.Task])
			}
		case e.End != nil:
			ended = e.End.ExitCode == 3
		}
		if ended && (e.Summary != nil || q.After >= 0) {
			break
		}
	}
	for i := range tasks {
		if n := seen[fmt.Sprintf("t%d", i)]; n != 10 {
			return fmt.Errorf("%d statuses of task %d", n, i)
		}
	}
	if !ended {
		return errors.New("no end")
	}
	return nil
}

// No run waits for the followers either.
func TestTwoHundredWhoFollowMissNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const tasks = 100
	_, alone := d.run(t, tasks)
	_, newest, err := d.journal.NewsEnds(t.Context())
	need.Done(t, err)
	if newest != 10*tasks+2 {
		t.Errorf("%d events of one run", newest)
	}
	next := fmt.Sprintf("01R%023d", 2)
	faults := make(chan error, 200)
	var all sync.WaitGroup
	for i := range 200 {
		q := EventsRequest{After: -1}
		if i%2 == 1 {
			q.Run = next
		}
		all.Go(func() { faults <- d.follow(t.Context(), q, next, tasks) })
	}
	for joined := 0; joined < 200; {
		d.feed.mu.Lock()
		joined = len(d.feed.listeners)
		d.feed.mu.Unlock()
	}
	_, watched := d.run(t, tasks)
	all.Wait()
	close(faults)
	for err := range faults {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a run takes %v alone, %v before 200", alone, watched)
	if watched > 10*alone+10*time.Second {
		t.Errorf("a run takes %v alone, and %v while 200 follow it", alone, watched)
	}
	d.open(t) // events of ended runs are available again
	need.Done(t, d.follow(t.Context(), EventsRequest{After: newest}, next, tasks))
	need.Done(t, d.follow(t.Context(), EventsRequest{After: 0, Run: next}, next, tasks))
}

func TestWhoDoesNotKeepUpIsToldToComeAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	got, asleep := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var ended error
	var follows sync.WaitGroup
	follows.Go(func() {
		for e, err := range d.Events(t.Context(), EventsRequest{After: 0}) {
			if err != nil {
				ended = err
				break
			}
			if e.Kind == "log" {
				once.Do(func() { close(got) })
				<-asleep
			}
		}
	})
	for joined := 0; joined == 0; {
		d.feed.mu.Lock()
		joined = len(d.feed.listeners)
		d.feed.mu.Unlock()
	}
	d.feed.tell(report.LiveEvent{Kind: "log"})
	<-got
	run, _ := d.run(t, 10)
	for range waitsAtMost + 1 {
		d.feed.tell(report.LiveEvent{Kind: "log", Run: run})
	}
	d.feed.look(false)
	close(asleep)
	follows.Wait()
	if !errors.Is(ended, report.TooSlow) || CodeOf(ended) != ExitRunning {
		t.Errorf("it ended by %v", ended)
	}
	need.Done(t, d.follow(t.Context(), EventsRequest{After: 0}, run, 10))
}

// A number that was never given is a gap, too.
func TestWhatIsNotKeptIsAGap(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.run(t, 1)
	for e, err := range d.Events(t.Context(), EventsRequest{After: 4711}) {
		need.Done(t, err)
		if e.Kind != report.LiveGap || e.Seq != 0 {
			t.Errorf("%+v", e)
		}
		break
	}
	for e, err := range d.Events(t.Context(), EventsRequest{After: -1, Beat: time.Millisecond}) {
		need.Done(t, err)
		if e.Kind != report.LiveBeat {
			t.Errorf("%+v", e)
		}
		break
	}
}

// spoil changes the feed behind the server's back.
func (d *desk) spoil(t *testing.T, query string) {
	t.Helper()
	db := need.Value(sql.Open("sqlite", d.journal.Path()))(t)
	defer func() { need.Done(t, db.Close()) }()
	need.Value(db.Exec(query))(t)
}

// TestMissingNewsAreAGap: a garbled row keeps nobody from those behind it, and what
// was removed while somebody read is told.
func TestMissingNewsAreAGap(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"UPDATE feed SET body = '{' WHERE last = 6":   "1 2 3 4 5 gap6 7 8 9 10 11 12 ",
		"UPDATE feed SET body = '[]' WHERE last = 12": "1 2 3 4 5 6 7 8 9 10 11 gap12 ",
		"DELETE FROM feed WHERE last BETWEEN 4 AND 6": "1 2 3 gap6 7 8 9 10 11 12 ",
		"DELETE FROM feed WHERE last > 10":            "1 2 3 4 5 6 7 8 9 10 gap12 ",
	} {
		d := newDesk(t)
		d.run(t, 1)
		d.spoil(t, query)
		got := ""
		d.feed.replay(t.Context(), EventsRequest{After: 0}, 12, func(e report.LiveEvent, err error) bool {
			need.Done(t, err)
			if e.Kind == report.LiveGap {
				got += "gap"
			}
			if e.Kind == report.LiveGap && e.Run != "" {
				t.Errorf("%s: the gap names run %s, which not everybody may see", query, e.Run)
			}
			got += fmt.Sprint(e.Seq, " ")
			return true
		})
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		var batch []report.LiveEvent
		l, _, err := d.feed.join(t.Context())
		need.Done(t, err)
		d.feed.turn.Lock()
		d.feed.seq = 0
		d.feed.turn.Unlock()
		d.feed.look(false)
		for _, b := range need.Value(l.next(t.Context(), 0))(t) {
			batch = append(batch, b...)
		}
		if n := len(batch); n == 0 || !slices.ContainsFunc(batch, func(e report.LiveEvent) bool { return e.Kind == report.LiveGap }) && !strings.HasSuffix(query, "> 10") {
			t.Errorf("%s: those who follow are not told: %+v", query, batch)
		}
	}
}

// TestLiveNewsWaitForTheStatusesBeforeThem while the journal cannot be read.
func TestLiveNewsWaitForTheStatusesBeforeThem(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	l, _, err := d.feed.join(t.Context())
	need.Done(t, err)
	given := func() (kinds []string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, b := range l.batches {
			for _, e := range b {
				kinds = append(kinds, e.Kind)
			}
		}
		l.batches = nil
		return kinds
	}
	d.spoil(t, "ALTER TABLE feed RENAME TO away")
	d.feed.tell(report.LiveEvent{Kind: "summary"})
	d.feed.look(false)
	if got := given(); got != nil {
		t.Errorf("given before what the journal has: %v", got)
	}
	d.spoil(t, "ALTER TABLE away RENAME TO feed")
	d.spoil(t, "INSERT INTO feed (last, n, run, kind, body) VALUES (1, 1, 'R', 'end', '{}')")
	d.feed.look(false)
	if got := given(); !slices.Equal(got, []string{"end", "summary"}) {
		t.Errorf("%v", got)
	}
	d.spoil(t, "ALTER TABLE feed RENAME TO away")
	d.feed.tell(report.LiveEvent{Kind: "log"})
	d.feed.look(true)
	if got := given(); !slices.Equal(got, []string{"log"}) {
		t.Errorf("at the end: %v", got)
	}
}

func BenchmarkARunThatManyFollow(b *testing.B) {
	for _, n := range []int{0, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := newDesk(b)
			ctx, cancel := context.WithCancel(b.Context())
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					for range d.Events(ctx, EventsRequest{After: -1}) {
					}
				})
			}
			for b.Loop() {
				d.run(b, 100)
			}
			cancel()
			all.Wait()
		})
	}
}
