package servers_test

import (
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers"
	"github.com/dprun/dprun/testfixtures/servers/results"
)

// seen asks a server request by request what it does.
func seen(t *testing.T, s *servers.Server) *results.SFTP {
	t.Helper()
	r := dialRaw(t, s)
	banner, _, _ := strings.Cut(string(r.ssh.ServerVersion()), " ") // a comment follows, random with TinySSH
	out := &results.SFTP{Banner: banner, Extensions: slices.Sorted(slices.Values(r.extensions))}
	need.Done(t, os.WriteFile(filepath.Join(s.Dir, "read"), make([]byte, 1<<20), 0o644))
	need.Done(t, os.WriteFile(filepath.Join(s.Dir, "taken"), nil, 0o666))
	at := func(name string) string { return path.Join(s.Directory, name) }

	h := must(t, "open a file to read")(r.open(at("read"), openRead))
	kind, body, err := r.ask(sshRead, h, uint64(0), uint32(longest))
	if err != nil || kind != sshData {
		t.Fatalf("READ: answer of type %d, %v", kind, err)
	}
	data := must(t, "READ")(first(text(body)))
	out.LongestRead = len(data)

	_, err = r.open(at("taken"), openWrite|openCreate|openExclusive)
	out.OpenExisting = answer(err)
	h, err = r.open(at("new"), openWrite|openCreate|openExclusive)
	out.OpenNew = answer(err)
	if err != nil {
		if h, err = r.open(at("new"), openWrite|openCreate|openExclusive|openTruncate); err != nil {
			t.Fatalf("open a new file: %v", err)
		}
	}
	if _, _, err := r.ask(sshClose, h); err != nil {
		t.Fatalf("close: %v", err)
	}
	_, _, err = r.ask(sshRename, at("new"), at("taken"))
	out.RenameOver = answer(err)
	_, _, err = r.attributes(sshLstat, at("missing"))
	out.LstatMissing = answer(err)
	out.LongestWrite = longestWrite(t, s)
	out.Keepalive = keepalive(t, s)
	for _, name := range []string{"read", "taken", "new", "write"} {
		if err := os.Remove(filepath.Join(s.Dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
	return out
}

// longest is what OpenSSH takes and gives in one request.
const longest = 255 << 10

// longestWrite tries WRITEs of several lengths, each on a connection of its
// own, as a server may hang up.
func longestWrite(t *testing.T, s *servers.Server) int {
	t.Helper()
	for _, n := range []int{longest, 128 << 10, 64 << 10} {
		r := dialRaw(t, s)
		h := must(t, "open a file to write")(r.open(path.Join(s.Directory, "write"), openWrite|openCreate|openTruncate))
		if _, _, err := r.ask(sshWrite, h, uint64(0), strings.Repeat("x", n)); err != nil {
			continue
		}
		if size, _, err := r.attributes(sshFstat, h); err != nil || size != uint64(n) {
			continue
		}
		return n
	}
	return 32 << 10 // what every server has to take
}

// keepalive asks as clients do whether somebody is there.
func keepalive(t *testing.T, s *servers.Server) string {
	t.Helper()
	r := dialRaw(t, s)
	defer time.AfterFunc(time.Minute, func() { _ = r.ssh.Close() }).Stop()
	if _, _, err := r.ssh.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		return "the connection ends"
	}
	if _, _, err := r.attributes(sshLstat, s.Directory); err != nil {
		return "the connection ends"
	}
	return "answered"
}

// answer is what a server said.
func answer(err error) string {
	var status statusError
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ends"
	}
	return err.Error()
}

func must(t *testing.T, what string) func(string, error) string {
	return func(v string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

func first(a string, _ []byte, err error) (string, error) { return a, err }
