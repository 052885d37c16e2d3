package runner

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
)

const (
	// lookEvery is the time between two looks into the journal for changes by other
	// processes.
	lookEvery = time.Second
	// together is how long news waits for more, so that one look returns all of it.
	together = 20 * time.Millisecond
	// waitsAtMost is the most news that may wait for one follower.
	waitsAtMost = 20_000
	newsAtOnce  = 500 // rows of the journal
)

// EventsRequest says what a caller wants to follow.
type EventsRequest struct {
	After int64         // number of the last known event; negative: only new events
	Run   string        // only of this run; empty: of all runs
	Beat  time.Duration // the longest silence before a beat is sent; 0: no beats
}

// Events yields the events of all runs, the journalled history of each run in its
// order: first the events that were kept since a number, then new ones. It ends
// with ctx. A caller that is too slow gets [report.TooSlow], and can ask again
// with the number of the last event that it has seen. No run ever waits for a
// caller.
func (s *Service) Events(ctx context.Context, q EventsRequest) iter.Seq2[report.LiveEvent, error] {
	return func(yield func(report.LiveEvent, error) bool) {
		l, from, err := s.feed.join(ctx)
		if err != nil {
			yield(report.LiveEvent{}, &Error{ExitBug, err})
			return
		}
		defer s.feed.leave(l)
		if q.After >= 0 && !s.feed.replay(ctx, q, from, yield) {
			return
		}
		for {
			batches, err := l.next(ctx, q.Beat)
			if err != nil {
				yield(report.LiveEvent{}, refuse(err))
			}
			if err != nil || batches == nil {
				return
			}
			for _, batch := range batches {
				for _, e := range batch {
					if (q.Run == "" || e.Run == "" || e.Run == q.Run) && !yield(e, nil) {
						return
					}
				}
			}
		}
	}
}

// newsfeed passes the events of runs on to the followers. It reads journalled
// events from the journal, once for all followers, so that the news of this
// server's runs and of other processes has one order. Other events are added
// behind those that were committed before.
type newsfeed struct {
	journal *journal.Journal
	log     *slog.Logger
	wake    chan struct{}

	turn sync.Mutex // held during a read of the journal
	seq  int64      // number of the last news that was passed on

	mu        sync.Mutex // never held during a wait
	listeners map[*listener]bool
	live      []report.LiveEvent
	over      bool
}

func newNewsfeed(j *journal.Journal, log *slog.Logger) *newsfeed {
	return &newsfeed{journal: j, log: log, wake: make(chan struct{}, 1), listeners: map[*listener]bool{}}
}

// serve passes news on until done is closed.
func (f *newsfeed) serve(done <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for last := false; !last; {
		select {
		case <-tick.C:
		case <-f.wake:
			time.Sleep(together)
		case <-done:
			last = true
		}
		f.look(last)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for l := range f.listeners {
		l.end(fmt.Errorf("the server has stopped: %w", report.Stopping))
	}
}

// nudge says that there may be news in the journal.
func (f *newsfeed) nudge() {
	select {
	case f.wake <- struct{}{}:
	default: // a look is due already
	}
}

// tell passes on an event that is not journalled. It waits for nobody.
func (f *newsfeed) tell(e report.LiveEvent) {
	f.mu.Lock()
	heard := len(f.listeners) > 0
	if heard {
		f.live = append(f.live, e)
	}
	f.mu.Unlock()
	if heard {
		f.nudge()
	}
}

// look reads new events and passes them on.
func (f *newsfeed) look(last bool) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.mu.Lock()
	live := f.live
	f.live = nil
	all := make([]*listener, 0, len(f.listeners))
	for l := range f.listeners {
		all = append(all, l)
	}
	f.mu.Unlock()
	if len(all) == 0 {
		return
	}
	for more := true; more; {
		var found []journal.News
		var err error
		if found, more, err = f.journal.News(context.Background(), f.seq, newsAtOnce); err != nil {
			f.log.Warn("the events of runs cannot be read for followers; the server tries again", "error", err)
			if live = f.keep(live, last); len(live) == 0 {
				return
			}
			more = false
		}
		batch := make([]report.LiveEvent, 0, len(found)+len(live))
		for _, n := range found {
			batch = follows(batch, f.seq, n)
			f.seq = n.Seq
		}
		if !more {
			batch = append(batch, live...)
		}
		if len(batch) == 0 {
			return
		}
		for _, l := range all {
			l.add(batch)
		}
	}
}

// keep puts live news aside while the journal cannot be read: statuses that were
// committed before it come first. It returns what is passed on all the same: all of
// it at the end, and a gap in place of more than followers may be behind.
func (f *newsfeed) keep(live []report.LiveEvent, last bool) []report.LiveEvent {
	if last {
		return live
	}
	if len(live) > waitsAtMost {
		return []report.LiveEvent{{Kind: report.LiveGap, Seq: f.seq}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = append(live, f.live...)
	return nil
}

// follows adds news to a batch, after a gap where the news before it is missing.
func follows(batch []report.LiveEvent, after int64, n journal.News) []report.LiveEvent {
	if n.Seq != after+1 && n.Kind != journal.NewsGap {
		batch = append(batch, report.LiveEvent{Kind: report.LiveGap, Seq: n.Seq - 1})
	}
	return append(batch, liveOf(n))
}

func liveOf(n journal.News) report.LiveEvent {
	e := report.LiveEvent{Seq: n.Seq, Run: n.Run, Kind: n.Kind, Begun: n.Begun, Status: n.Status}
	if n.End != nil {
		e.End = &report.RunEnd{Ended: n.End.Time, ExitCode: n.End.ExitCode, Code: n.End.Code}
	}
	return e
}

// join adds a follower. from is the number of the last news that was passed on.
func (f *newsfeed) join(ctx context.Context) (l *listener, from int64, err error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return nil, 0, refuse(fmt.Errorf("the server has stopped: %w", report.Stopping))
	}
	if len(f.listeners) == 0 { // without followers nothing was read, and the journal has the earlier news
		if _, f.seq, err = f.journal.NewsEnds(ctx); err != nil {
			return nil, 0, err
		}
	}
	l = &listener{news: make(chan struct{}, 1)}
	f.listeners[l] = true
	return l, f.seq, nil
}

func (f *newsfeed) leave(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, l)
}

// replay yields the news that was kept after a number, up to upTo. It reports
// whether the follower wants more.
func (f *newsfeed) replay(ctx context.Context, q EventsRequest, upTo int64, yield func(report.LiveEvent, error) bool) bool {
	kept, newest, err := f.journal.NewsEnds(ctx)
	if err != nil {
		yield(report.LiveEvent{}, &Error{ExitBug, err})
		return false
	}
	after := q.After
	if after < kept || after > newest { // these news are gone, or the number is from another journal
		if after = kept; !yield(report.LiveEvent{Kind: report.LiveGap, Seq: after}, nil) {
			return false
		}
	}
	for more := true; more && after < upTo; {
		var found []journal.News
		if found, more, err = f.journal.News(ctx, after, newsAtOnce); err != nil {
			yield(report.LiveEvent{}, &Error{ExitBug, err})
			return false
		}
		for _, n := range found {
			if n.Seq > upTo {
				more = false
				break
			}
			for _, e := range follows(nil, after, n) {
				if (q.Run == "" || e.Run == q.Run || e.Kind == report.LiveGap) && !yield(e, nil) {
					return false
				}
			}
			after = n.Seq
		}
	}
	if after < upTo { // it was removed while a slow follower read
		return yield(report.LiveEvent{Kind: report.LiveGap, Seq: upTo}, nil)
	}
	return true
}

// listener is one follower. Followers share the batches that wait for them.
type listener struct {
	news chan struct{}

	mu      sync.Mutex
	batches [][]report.LiveEvent
	waiting int
	ended   error
}

func (l *listener) add(batch []report.LiveEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return
	}
	if l.waiting += len(batch); l.waiting > waitsAtMost {
		l.batches, l.ended = nil, fmt.Errorf("%d events wait to be read; follow again from the last one that was read: %w", l.waiting, report.TooSlow)
	} else {
		l.batches = append(l.batches, batch)
	}
	l.say()
}

func (l *listener) end(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended == nil {
		l.ended = why
	}
	l.say()
}

func (l *listener) say() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// next waits for new events. It returns nothing when ctx has ended.
func (l *listener) next(ctx context.Context, beat time.Duration) ([][]report.LiveEvent, error) {
	var silent <-chan time.Time
	if beat > 0 {
		timer := time.NewTimer(beat)
		defer timer.Stop()
		silent = timer.C
	}
	for {
		l.mu.Lock()
		batches, ended := l.batches, l.ended
		l.batches, l.waiting = nil, 0
		l.mu.Unlock()
		if batches != nil {
			return batches, nil
		}
		if ended != nil {
			return nil, ended
		}
		select {
		case <-l.news:
		case <-silent:
			return [][]report.LiveEvent{{{Kind: report.LiveBeat}}}, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// newsSink passes the events of a served run on to the followers. They get
// journalled events from the journal.
type newsSink struct {
	feed  *newsfeed
	begun func(run string) // receives the run's ID when it has begun; may be nil
}

func (n newsSink) Run(i event.RunInfo) {
	if n.begun != nil && !i.Recovery {
		n.begun(i.Run)
	}
	if i.Recovery { // the journal has only the beginning
		n.feed.tell(report.LiveEvent{Kind: journal.NewsRun, Run: i.Run, Begun: &i})
	}
	n.feed.nudge()
}

func (n newsSink) Status(event.Status) { n.feed.nudge() }

// Statuses implements [event.StatusesSink].
func (n newsSink) Statuses([]event.Status) { n.feed.nudge() }

func (n newsSink) Progress(p event.Progress) {
	n.feed.tell(report.LiveEvent{Kind: "progress", Run: p.Run, Progress: &p})
}

func (n newsSink) Log(l event.Log) { n.feed.tell(report.LiveEvent{Kind: "log", Run: l.Run, Log: &l}) }

func (n newsSink) Summary(s event.Summary) {
	n.feed.tell(report.LiveEvent{Kind: "summary", Run: s.Run, Summary: &s})
}

func (n newsSink) Settled(s event.Settled) {
	n.feed.tell(report.LiveEvent{Kind: "settled", Run: s.Run, Settled: &s})
}
