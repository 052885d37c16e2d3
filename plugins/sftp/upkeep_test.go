package sftp

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestASessionIsKeptAliveWithRequestsOfSFTP: tinysshd answers a request of SSH
// that it does not know in a way on which the SSH library hangs up.
func TestASessionIsKeptAliveWithRequestsOfSFTP(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword, hangUp: true})
	quick := defaultTiming
	quick.keepalive = 5 * time.Millisecond
	d, err := newDestination(f.config(), sdk.Env{}, "", quick)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = on(t, d, func(s *session) error {
		eventually(t, "ask for three signs of life", func() bool { return f.files.signs.Load() >= 3 })
		if !s.alive() {
			t.Error("the session has ended")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.pool.mu.Lock()
	idle := d.pool.idle[0]
	idle.idleFrom = idle.idleFrom.Add(-quick.recheck) // idle for so long that it is asked before it is used again
	d.pool.mu.Unlock()
	if _, err := d.Store(within(t, testLimit), request(t, "file", 100_000), nil); err != nil || !idle.alive() {
		t.Errorf("a session that is asked before it is used again: alive %v, %v", idle.alive(), err)
	}
}

// TestAnAnswerThatComesWhenTheConnectionIsCutIsTooLate: a session whose time
// to answer is over is never used, whichever came first.
func TestAnAnswerThatComesWhenTheConnectionIsCutIsTooLate(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword})
	d, err := newDestination(f.config(), sdk.Env{}, "", defaultTiming)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_ = on(t, d, func(s *session) error {
		if s.ping(time.Nanosecond) {
			t.Error("the session is said to be good, and is cut")
		}
		return nil
	})
}

func TestAServerThatLeavesARequestUnansweredIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]func(*diskFiles, chan struct{}){
		"write": func(d *diskFiles, hang chan struct{}) { d.hangWrite = hang },
		"read":  func(d *diskFiles, hang chan struct{}) { d.hangRead = hang },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk, hang := &diskFiles{}, make(chan struct{})
			hangs(disk, hang)
			f := startFake(t, &fakeServer{password: fakePassword, files: disk})
			t.Cleanup(func() { close(hang) })
			config := f.config()
			config.StallTimeout = time.Second
			quick := defaultTiming
			quick.keepalive = 20 * time.Millisecond // answered all the time
			d, err := newDestination(config, sdk.Env{}, "", quick)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			_, err = d.Store(within(t, testLimit), request(t, "file", 500_000), nil)
			wantFailure(t, err, failure.Timeout, failure.Stalled)
			if got := files(t, f.dir); len(got) != 0 { // a new session removed it
				t.Errorf("left behind: %v", got)
			}
			_ = d.Close()
		})
	}
}

func TestARequestThatGoesOnIsNotGivenUp(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	w := &wire{ch: nowhere{}, now: func() time.Time { return now }, unanswered: map[uint32]struct{}{}}
	send := func(typ byte, id byte) { _, _ = w.Write([]byte{0, 0, 0, 6, typ, 0, 0, 0, id, 'x'}) }
	answer := func(id byte) {
		w.in = bytesOf{0, 0, 0, 5, 101, 0, 0, 0, id}
		_, _ = w.Read(make([]byte, 100))
	}
	want := func(what string, waiting time.Duration) {
		t.Helper()
		if got := w.waiting(); got != waiting {
			t.Errorf("%s: waiting for %s, want %s", what, got, waiting)
		}
	}
	want("nothing asked", 0)
	send(typeRealPath, 1)
	now = now.Add(time.Minute)
	want("only a sign of life is asked for", 0)
	send(6, 2)
	send(6, 3)
	now = now.Add(time.Second)
	want("two writes", time.Second)
	send(typeRealPath, 4)
	answer(1)
	want("a sign of life", time.Second)
	answer(2)
	now = now.Add(3 * time.Second)
	want("one is answered", 3*time.Second)
	answer(3)
	want("all are answered", 0)
}

// nowhere is a channel that takes everything.
type nowhere struct{ ssh.Channel }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

type bytesOf []byte

func (b bytesOf) Read(p []byte) (int, error) { return copy(p, b), nil }

// TestAFileThatACutSessionMakesLateIsRemoved: the server makes it after the
// removal has found nothing.
func TestAFileThatACutSessionMakesLateIsRemoved(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword})
	d, err := newDestination(f.config(), sdk.Env{}, "", defaultTiming)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	x := need.Value(d.acquire(within(t, testLimit)))(t)
	defer x.release()
	x.s.kill()
	<-x.s.done
	late := filepath.Join(f.dir, "late.part")
	made := make(chan error, 1)
	time.AfterFunc(lateAfter/2, func() { made <- os.WriteFile(late, nil, 0o600) })
	if err := x.Remove(within(t, testLimit), "late.part"); err != nil {
		t.Error(err)
	}
	need.Done(t, <-made)
	if _, err := os.Stat(late); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}
