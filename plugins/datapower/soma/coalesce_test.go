package soma_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dprun/dprun/plugins/datapower/soma"
)

// gate is a device whose answers to DomainStatus are counted, and held until they are let go one by one.
func gate(t *testing.T) (client *soma.Client, arrived, release chan struct{}, sent *atomic.Int32) {
	t.Helper()
	arrived, release, sent = make(chan struct{}, 100), make(chan struct{}), &atomic.Int32{}
	d := newDevice(t, func(w http.ResponseWriter, r *http.Request) {
		n := sent.Add(1)
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, reply(fmt.Sprintf("<dp:status><DomainStatus><Domain>answer%d</Domain><QuiesceState/></DomainStatus></dp:status>", n)))
	})
	client, err := soma.New(d.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, arrived, release, sent
}

// asked is what a caller got.
func asked(ctx context.Context, c *soma.Client) string {
	got, err := c.DomainStatus(ctx)
	if err != nil {
		return string(soma.ClassOf(err))
	}
	return got.Domains[0].Name
}

func TestReadsOfOneMomentShareAnAnswerThatIsNewerThanTheyAre(t *testing.T) {
	t.Parallel()
	c, arrived, release, sent := gate(t)
	soma.SetPatience(c, time.Hour)
	first := make(chan string)
	go func() { first <- asked(t.Context(), c) }()
	<-arrived
	// These ask while the first request is under way: its answer may be older than what they want to know.
	var wg sync.WaitGroup
	later := make(chan string, 10)
	for range cap(later) {
		wg.Go(func() { later <- asked(t.Context(), c) })
	}
	for soma.Waiting(c) < cap(later) {
		time.Sleep(time.Millisecond)
	}
	release <- struct{}{}
	if got := <-first; got != "answer1" {
		t.Errorf("the first got %s", got)
	}
	<-arrived
	release <- struct{}{}
	wg.Wait()
	for range cap(later) {
		if got := <-later; got != "answer2" {
			t.Errorf("a later one got %s", got)
		}
	}
	if n := sent.Load(); n != 2 {
		t.Errorf("%d requests were sent, want 2", n)
	}
	go func() { <-arrived; release <- struct{}{} }()
	if got := asked(t.Context(), c); got != "answer3" {
		t.Errorf("after it all: %s, and nothing is to be kept", got)
	}
}

func TestAReadThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	c, arrived, release, _ := gate(t)
	soma.SetPatience(c, 10*time.Millisecond)
	go asked(t.Context(), c)
	<-arrived
	second := make(chan string)
	go func() { second <- asked(t.Context(), c) }()
	<-arrived // although the first is not answered
	release <- struct{}{}
	release <- struct{}{}
	if got := <-second; got != "answer2" {
		t.Errorf("the second got %s", got)
	}
}

func TestACallerThatGivesUpLeavesTheOthersTheirAnswer(t *testing.T) {
	t.Parallel()
	c, arrived, release, sent := gate(t)
	soma.SetPatience(c, time.Hour)
	go asked(t.Context(), c)
	<-arrived
	hasty, leave := context.WithCancel(t.Context())
	gone, stays := make(chan string), make(chan string)
	go func() { gone <- asked(hasty, c) }() // begins the second read
	for soma.Waiting(c) < 1 {
		time.Sleep(time.Millisecond)
	}
	go func() { stays <- asked(t.Context(), c) }()
	for soma.Waiting(c) < 2 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if got := <-gone; got != string(soma.Cancelled) {
		t.Errorf("the one that gave up got %s", got)
	}
	release <- struct{}{}
	<-arrived
	release <- struct{}{}
	if got := <-stays; got != "answer2" || sent.Load() != 2 {
		t.Errorf("the one that stayed got %s after %d requests", got, sent.Load())
	}
}

func TestAReadThatNobodyWaitsForEnds(t *testing.T) {
	t.Parallel()
	c, arrived, _, sent := gate(t)
	ctx, leave := context.WithCancel(t.Context())
	got := make(chan string)
	go func() { got <- asked(ctx, c) }()
	<-arrived
	leave()
	if got := <-got; got != string(soma.Cancelled) {
		t.Errorf("got %s", got)
	}
	for soma.UnderWay(c) > 0 {
		time.Sleep(time.Millisecond)
	}
	if n := sent.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}
