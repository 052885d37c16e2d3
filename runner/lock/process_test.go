package lock

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// The test binary is its own child: the variable says which part it plays.
const partVariable = "DPRUN_LOCK_TEST_PART"

func TestMain(m *testing.M) {
	switch os.Getenv(partVariable) {
	case "":
		os.Exit(m.Run())
	case "plugin": // inherited whatever the holder gave it; lives until its stdin ends
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "holder", "holder with plugin":
		if err := hold(); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
}

// hold takes the lock, says so, and lives until its stdin ends.
func hold() error {
	l, err := Open(os.Getenv("DPRUN_LOCK_TEST_DIR"))
	if err != nil {
		return err
	}
	lock, err := l.TryAcquire("device/A", Exclusive, Info{Run: "CHILD"})
	if err != nil {
		return err
	}
	if os.Getenv(partVariable) == "holder with plugin" {
		plugin := exec.Command(os.Args[0])
		plugin.Env = append(os.Environ(), partVariable+"=plugin")
		plugin.Stdin = os.Stdin
		plugin.ExtraFiles = []*os.File{lock.File()}
		if err := plugin.Start(); err != nil {
			return err
		}
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
	return lock.Release()
}

// child starts a process that holds the lock. kill ends it with SIGKILL; end
// closes the stdin of the child and of its plugin.
func child(t *testing.T, l *Locks, part string) (kill, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partVariable+"="+part, "DPRUN_LOCK_TEST_DIR="+l.dir)
	stdin, end1, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = stdin
	stdout := need.Value(cmd.StdoutPipe())(t)
	need.Done(t, cmd.Start())
	stdin.Close()
	waited := false
	wait := func() {
		if !waited {
			waited = true
			cmd.Wait()
		}
	}
	end = func() { end1.Close(); wait() }
	kill = func() { cmd.Process.Kill(); wait() }
	t.Cleanup(func() { cmd.Process.Kill(); end() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); strings.TrimSpace(line) != "held" {
		t.Fatalf("child said %q, %v", line, err)
	}
	return kill, end
}

func TestKillFreesALock(t *testing.T) {
	t.Parallel()
	l := open(t)
	kill, _ := child(t, l, "holder")
	held := new(HeldError)
	if _, err := l.TryAcquire("device/A", Shared, Info{}); !errors.As(err, &held) || held.Holder.Run != "CHILD" || held.Holder.PID == os.Getpid() {
		t.Fatalf("TryAcquire while the child holds it = %v", err)
	}
	kill()
	release(t, try(t, l, "device/A", Exclusive))
}

func TestAPluginKeepsTheLockOfItsKilledHost(t *testing.T) {
	t.Parallel()
	l := open(t)
	kill, end := child(t, l, "holder with plugin")
	kill()
	if held, who, err := l.Held("device/A"); err != nil || !held || who.Run != "CHILD" {
		t.Fatalf("Held after the host was killed = %v, %v, %v; its plugin still lives", held, who, err)
	}
	end()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		held, _, err := l.Held("device/A")
		if err != nil {
			t.Fatal(err)
		}
		if !held {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("still held after the plugin ended")
		}
	}
}

func TestReleaseFreesALockThatAPluginInherited(t *testing.T) {
	t.Parallel()
	l := open(t)
	lock := try(t, l, "device/A", Exclusive)
	plugin := exec.Command(os.Args[0])
	plugin.Env = append(os.Environ(), partVariable+"=plugin")
	plugin.ExtraFiles = []*os.File{lock.File()}
	stdin := need.Value(plugin.StdinPipe())(t)
	need.Done(t, plugin.Start())
	defer plugin.Wait()
	defer stdin.Close()
	release(t, lock)
	release(t, try(t, l, "device/A", Exclusive))
}
