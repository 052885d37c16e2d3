package sftp

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// once runs f at the first report of progress: in the middle of the write.
func once(f func()) func(int64) {
	var done atomic.Bool
	return func(int64) {
		if !done.Swap(true) {
			f()
		}
	}
}

const bigFile = 40_000_000

func TestStoreWhoseSessionIsCutCleansUpOverANewOne(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	r := request(t, "file", bigFile)
	_, err := d.Store(within(t, testLimit), r, once(func() {
		if s.KillSessions() == 0 {
			t.Error("there was no session to cut")
		}
	}))
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	if got := files(t, s.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if _, err := d.Store(within(t, testLimit), r, nil); err != nil {
		t.Errorf("the next try: %v", err)
	}
}

func TestStoreSurvivesARestartOfTheServerInTheMiddleAndRemovesWhatItLeft(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	r := request(t, "dir/file", bigFile)
	_, err := d.Store(within(t, testLimit), r, once(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	}))
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	_, err = d.Store(within(t, testLimit), r, nil)
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	for name := range files(t, s.Dir) {
		if !strings.HasPrefix(name, "dir/"+sdk.TempPrefix) {
			t.Errorf("a part stands under the name %s", name)
		}
	}

	need.Done(t, s.Restart(t.Context()))
	if got := files(t, s.Dir); len(got) != 1 {
		t.Errorf("the server has %v, want the one part that was left", got)
	}
	need.Value(d.Store(within(t, testLimit), r, nil))(t)
	if diff := cmp.Diff(map[string]string{"dir/file": r.SHA256}, files(t, s.Dir)); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
}

func TestStoreThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	r := request(t, "file", bigFile)
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := d.Store(ctx, r, once(cancel))
		wantFailure(t, err, failure.Cancelled, "")
	})
	t.Run("out of time", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := d.Store(ctx, r, once(func() { <-ctx.Done() }))
		wantFailure(t, err, failure.Timeout, "")
	})
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.Store(ctx, r, nil)
		wantFailure(t, err, failure.Cancelled, "")
	})
	if got := files(t, s.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestServerThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	quick := timing{
		keepalive: 50 * time.Millisecond, silence: 300 * time.Millisecond, recheck: 300 * time.Millisecond,
		idle: time.Minute,
	}
	d, err := newDestination(configFor(t, s), sdk.Env{}, "", quick)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.Store(within(t, testLimit), request(t, "file", bigFile), once(func() { s.StopSessions() }))
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	if got := files(t, s.Dir); len(got) != 0 { // a new session is not frozen
		t.Errorf("left behind: %v", got)
	}
}

func TestIdleSessionsAreReplacedAndExpire(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	quick := defaultTiming
	quick.keepalive, quick.idle = 20*time.Millisecond, 100*time.Millisecond
	d, err := newDestination(configFor(t, s), sdk.Env{}, "", quick)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	need.Value(d.Check(within(t, testLimit)))(t)
	eventually(t, "close the idle session", func() bool {
		d.pool.mu.Lock()
		defer d.pool.mu.Unlock()
		return len(d.pool.idle) == 0
	})

	slow := open(t, configFor(t, s))
	for range 3 {
		if _, err := slow.Check(within(t, testLimit)); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		need.Done(t, s.Restart(t.Context()))
		eventually(t, "notice that the session is gone", func() bool {
			slow.pool.mu.Lock()
			defer slow.pool.mu.Unlock()
			return !slow.pool.idle[0].alive()
		})
	}
}

func TestFetchThatIsCutLeavesNoLocalFile(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	r := request(t, "file", bigFile)
	need.Value(d.Store(within(t, testLimit), r, nil))(t)
	local := r.Source + ".back"
	_, err := d.Fetch(within(t, testLimit), sdk.FetchRequest{Path: "file", File: local}, once(func() { s.KillSessions() }))
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	if _, err := os.Stat(local); !os.IsNotExist(err) {
		t.Errorf("a part was left in the local file: %v", err)
	}
}

// TestASessionThatWasCutIsNobodysAgain: whatever moment the caller gives up at,
// the next call gets a session that works.
func TestASessionThatWasCutIsNobodysAgain(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	for range 20 {
		ctx, cancel := context.WithCancel(within(t, testLimit))
		x := need.Value(d.acquire(ctx))(t)
		_ = x.on(ctx, "", func(*session) error { cancel(); return nil })
		if x.s.alive() {
			t.Error("a session whose caller gave up counts as alive")
		}
		x.release()
	}
	need.Done(t, on(t, d, func(s *session) error { _, err := s.sftp.RealPath("."); return err }))
}
