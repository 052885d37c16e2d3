package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/testfixtures/need"
)

// openTerminal makes a pseudo-terminal: what is written to one end is typed at the other.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person = need.Value(os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0))(t)
	t.Cleanup(func() { person.Close() })
	raw := need.Value(person.SyscallConn())(t)
	number := 0
	var failed error
	err := raw.Control(func(fd uintptr) {
		if number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); failed == nil {
			failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		}
		if failed == nil {
			failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
		}
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	program = need.Value(os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(number)), os.O_RDWR|unix.O_NOCTTY, 0))(t)
	return person, program
}

// seen collects what a program writes to a terminal.
type seen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// onTerminal runs dprun on a terminal, types an answer when asked, and gives
// the exit code and what was on the screen.
func onTerminal(t *testing.T, dir, answer string, args ...string) (int, string) {
	t.Helper()
	person, program := openTerminal(t)
	c := dprun(t, dir, args...)
	c.Env = append(c.Env, "TERM=xterm", "NO_COLOR=")
	c.Stdin, c.Stdout, c.Stderr = program, program, program
	var screen seen
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&screen, person) // ends with an error when the program's end is closed
	}()
	need.Done(t, c.Start())
	program.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for answered := answer == ""; ; {
		select {
		case err := <-ended:
			<-read
			return code(t, err), screen.String()
		case <-time.After(20 * time.Millisecond):
			if !answered && strings.Contains(screen.String(), "goes on: ") {
				need.Value(io.WriteString(person, answer+"\n"))(t)
				answered = true
			}
		}
	}
}

func TestATerminalIsAskedBeforeAnythingIsQuiesced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		args         []string
		code         int
		want, unwant string
	}{
		{"no", "no", []string{"apply", "quiesce.hcl"}, exitFailed, "not confirmed: nothing of this plan was contacted", "EXECUTION_"},
		{"yes", "yes", []string{"apply", "quiesce.hcl"}, exitOK, "Plan nightly quiesces", "not confirmed"},
		{"answered before", "", []string{"apply", "quiesce.hcl", "--yes"}, exitOK, "\x1b[32mSUCCESS\x1b[0m", "goes on"},
		{"nothing is quiesced", "", []string{"apply", "plan.hcl"}, exitOK, "\x1b[K", "goes on"},
		{"without colours", "", []string{"apply", "plan.hcl", "--color", "never"}, exitOK, "SUCCESS", "\x1b[32m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := slowFleet(t)
			quiesce := strings.Replace(slowPlan, `domains = ["*"]`, "domains = [\"*\"]\n    quiesce = \"domain\"", 1)
			need.Done(t, os.WriteFile(filepath.Join(dir, "quiesce.hcl"), []byte(quiesce), 0o600))
			got, screen := onTerminal(t, dir, c.answer, c.args...)
			if got != c.code || !strings.Contains(screen, c.want) || strings.Contains(screen, c.unwant) {
				t.Errorf("exit code %d, want %d; %q must be on the screen, %q must not:\n%s", got, c.code, c.want, c.unwant, screen)
			}
		})
	}
}
