package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// Between the files of a set somebody may take its directory away, or unmount the disk.
func TestADirectoryThatIsGoneMeanwhileIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	c := configFor(t, s)
	c.Directory = filepath.Join(s.Dir, "top")
	need.Done(t, errors.Join(os.Mkdir(c.Directory, 0o777), os.Chmod(c.Directory, 0o777)))
	d := open(t, c)
	need.Value(d.Store(within(t, testLimit), request(t, "a/b/one", 10), nil))(t)
	if !d.there.has(filepath.Join(c.Directory, "a/b")) {
		t.Fatal("the directory is not remembered: nothing is tested")
	}
	need.Done(t, os.RemoveAll(filepath.Join(c.Directory, "a")))
	two := request(t, "a/b/two", 10)
	need.Value(d.Store(within(t, testLimit), two, nil))(t)
	if got := files(t, c.Directory); len(got) != 1 || got["a/b/two"] != two.SHA256 {
		t.Errorf("there are %v", got)
	}
	need.Done(t, os.RemoveAll(c.Directory))
	_, err := d.Store(within(t, testLimit), request(t, "a/b/three", 10), nil)
	wantFailure(t, err, failure.NotFound, failure.NoDirectory)
	if _, err := os.Lstat(c.Directory); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the top: %v", err)
	}
}

func TestWhatWasThereIsForgottenAfterAWhile(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := newThere(func() time.Time { return now })
	m.setRoom("/never", plenty, plenty)
	m.add("/a")
	m.setRoom("/a", plenty-1, plenty)
	if _, _, ok := m.room("/a"); ok {
		t.Error("little room is not asked for again")
	}
	m.setRoom("/a", plenty, 2*plenty)
	if free, total, ok := m.room("/a"); !ok || free != plenty || total != 2*plenty || !m.has("/a") || m.has("/never") {
		t.Errorf("room %d of %d, %v", free, total, ok)
	}
	now = now.Add(stillThere)
	if _, _, ok := m.room("/a"); ok || m.has("/a") {
		t.Error("it is still remembered")
	}
	for i := range 2 * maxThere {
		m.add(fmt.Sprint(i))
	}
	if len(m.known) > maxThere {
		t.Errorf("%d are remembered", len(m.known))
	}
}
