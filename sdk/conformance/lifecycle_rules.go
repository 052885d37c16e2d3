package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk/failure"
)

func instancesAreIndependent(b *bed) {
	first := b.configured()
	second, err := b.instance(b.config)
	if err != nil {
		b.Fatalf("configure a second instance: %v", err)
	}
	if err := b.use(first); err != nil {
		b.Errorf("the first of two instances: %v", err)
	}
	b.end(first)
	if err := b.use(second); err != nil {
		b.Errorf("an instance after another one was closed: %v", err)
	}
	b.end(second)
}

func closedIsClosed(b *bed) {
	i := b.configured()
	b.end(i)
	err := b.use(i)
	f, ok := errors.AsType[*failure.Error](err)
	switch {
	case err == nil:
		b.Errorf("a call to an instance that was closed succeeds")
	case !ok || f.Kind.Retryable() || f.Message == "":
		b.Errorf("a call to an instance that was closed gives %v", err)
	}
}

// orphanLimit is how long a plugin may take to end when its host is gone.
const orphanLimit = 10 * time.Second

func orphanEnds(b *bed) {
	if _, err := b.instance(b.config); err != nil {
		b.Fatalf("configure: %v", err)
	}
	if !b.running.leave(orphanLimit) {
		b.Errorf("the process is still there %v after its host was gone", orphanLimit)
	}
}

// rounds is how many instances are used between two counts.
const rounds = 8

// grows counts, uses some instances and counts again. It waits until the count
// is back where it was.
func (b *bed) grows(what string, count func() int) {
	b.Helper()
	b.rounds(2) // makes what is made once and kept
	before := count()
	if before < 0 {
		notAsked(b.T, "not asked: %s", "this system does not tell")
		return
	}
	for range 10 { // leave time for what is about to end
		time.Sleep(20 * time.Millisecond)
		before = min(before, count())
	}
	b.rounds(rounds)
	after := count()
	for begin := time.Now(); after >= before+rounds/2 && time.Since(begin) < 3*time.Second; after = count() {
		time.Sleep(50 * time.Millisecond)
	}
	if after >= before+rounds/2 {
		b.Errorf("%d instances were configured, used and closed: %d %s before, %d after", rounds, before, what, after)
	}
}

func (b *bed) rounds(n int) {
	b.Helper()
	for range n {
		i := b.configured()
		if err := b.use(i); err != nil {
			b.Errorf("use an instance: %v", err)
		}
		b.end(i)
	}
}

func leavesNoGoroutine(b *bed)  { b.grows("goroutines", b.running.goroutines) }
func leavesNoDescriptor(b *bed) { b.grows("open files", b.running.descriptors) }

func leavesNoFile(b *bed) {
	b.rounds(1)
	dir := filepath.Join(b.running.dir, "tmp")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		b.Errorf("the private directory holds %v, %v", entries, err)
	}
}

func leavesNoProcess(b *bed) {
	b.rounds(1)
	left := b.running.offspring()
	for begin := time.Now(); len(left) > 0 && time.Since(begin) < 2*time.Second; left = b.running.offspring() {
		time.Sleep(50 * time.Millisecond)
	}
	if len(left) > 0 {
		b.Errorf("processes are still alive: %s", strings.Join(left, "; "))
	}
}

// provoke makes the plugin succeed and fail, and returns everything that it
// said.
func (b *bed) provoke() string {
	b.Helper()
	var mu sync.Mutex
	var said strings.Builder
	note := func(args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&said, args...)
	}
	for _, c := range append(changes(b.block, b.config, missing), changes(b.block, b.config, forbidden)...) {
		ds, err := b.running.ValidateConfig(b.ctx, b.s.Kind, b.s.Type, "", c.value)
		note(ds, err)
		i, err := b.instance(c.value)
		note(err)
		if err == nil {
			_ = i.Close()
		}
	}
	ds, err := b.running.ValidateConfig(b.ctx, b.s.Kind, b.s.Type, "", b.config)
	note(ds, err)
	i, err := b.instance(b.config)
	note(err)
	if err != nil {
		b.Fatalf("configure: %v", err)
	}
	b.speak(i, note)
	if err := i.Close(); err != nil {
		note(err)
	}
	return said.String()
}

// withSecrets returns the secrets of the configuration. Without any, it ends
// the case.
func (b *bed) withSecrets() []string {
	all := secrets(b.block, b.config)
	if !tells(strings.Join(all, "\n"), all) {
		notAsked(b.T, "not asked: %s", "the configuration holds no secret")
		return nil
	}
	return all
}

func secretsInAnswers(b *bed) {
	if all := b.withSecrets(); all != nil && tells(b.provoke(), all) {
		b.Errorf("a failure, a diagnostic or a report holds a secret of the configuration (which one it is, is not shown here)")
	}
}

func secretsInLogs(b *bed) {
	all := b.withSecrets()
	if all == nil {
		return
	}
	b.provoke()
	if tells(b.running.log.String(), all) {
		b.Errorf("the plugin's log holds a secret of the configuration")
	}
}

func secretsInProcesses(b *bed) {
	all := b.withSecrets()
	if all == nil {
		return
	}
	stop, done := make(chan struct{}), make(chan string, 1)
	go func() {
		seen := ""
		for {
			for _, line := range b.running.offspring() {
				pid, _, _ := strings.Cut(line, " ")
				env, _ := os.ReadFile("/proc/" + pid + "/environ")
				if tells(line, all) {
					seen = "the arguments"
				} else if tells(string(env), all) {
					seen = "the environment"
				}
			}
			select {
			case <-stop:
				done <- seen
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	b.provoke()
	close(stop)
	if seen := <-done; seen != "" {
		b.Errorf("%s of a process that the plugin started held a secret of the configuration", seen)
	}
}
