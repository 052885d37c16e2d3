package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
)

// keptAnswer is what the disk has answered to one question while a plan was
// compiled. All answers together are a copy of the plan as it was when it was
// valid, its inventories among it: so it is served, also by a server that is
// started anew. What may hold a secret is not kept.
type keptAnswer struct {
	Call    string       `json:"call"` // "file ", "dir " or "stat ", and the name
	Absent  bool         `json:"absent,omitempty"`
	Text    []byte       `json:"text,omitempty"`
	Entries []*keptEntry `json:"entries,omitempty"`
	Entry   *keptEntry   `json:"entry,omitempty"`
}

// keptEntry is a file or directory as it was.
type keptEntry struct {
	Named string      `json:"name"`
	Bytes int64       `json:"size"`
	Flags fs.FileMode `json:"mode"`
	At    time.Time   `json:"time"`
}

func (e *keptEntry) Name() string               { return e.Named }
func (e *keptEntry) Size() int64                { return e.Bytes }
func (e *keptEntry) Mode() fs.FileMode          { return e.Flags }
func (e *keptEntry) Type() fs.FileMode          { return e.Flags.Type() }
func (e *keptEntry) ModTime() time.Time         { return e.At }
func (e *keptEntry) IsDir() bool                { return e.Flags.IsDir() }
func (e *keptEntry) Sys() any                   { return nil }
func (e *keptEntry) Info() (fs.FileInfo, error) { return e, nil }

func keptOf(i fs.FileInfo) *keptEntry {
	return &keptEntry{Named: i.Name(), Bytes: i.Size(), Flags: i.Mode(), At: i.ModTime()}
}

// Why no copy of a plan is kept.
var (
	errVariables = errors.New("it reads a file of variables, which may hold secrets")
	errPlain     = errors.New("its text holds a secret in plain; put a reference in its place")
)

// encode gives what the disk has answered. secrets are what must not be in it.
func (s *snapshot) encode(secrets []string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []keptAnswer
	for call, known := range s.seen {
		k := keptAnswer{Call: call}
		var err error
		switch a := known.(type) {
		case answer[[]byte]:
			k.Text, err = a.is, a.err
			if plan.IsVariables(call) && err == nil {
				return nil, errVariables
			}
			for _, secret := range secrets {
				if bytes.Contains(k.Text, []byte(secret)) {
					return nil, errPlain
				}
			}
		case answer[[]fs.DirEntry]:
			err = a.err
			for _, e := range a.is {
				if i, gone := e.Info(); gone == nil {
					k.Entries = append(k.Entries, keptOf(i))
				}
			}
		case answer[fs.FileInfo]:
			if err = a.err; err == nil {
				k.Entry = keptOf(a.is)
			}
		}
		if k.Absent = errors.Is(err, fs.ErrNotExist); err != nil && !k.Absent {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b keptAnswer) int { return strings.Compare(a.Call, b.Call) })
	return json.Marshal(all)
}

// decodeSnapshot is a directory as it was when a copy was made.
func decodeSnapshot(dir string, body []byte) (*snapshot, error) {
	var all []keptAnswer
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	s := newSnapshot(dir)
	for _, k := range all {
		call, name, _ := strings.Cut(k.Call, " ")
		var err error
		if k.Absent {
			err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		switch {
		case call == "file":
			s.seen[k.Call] = answer[[]byte]{k.Text, err}
		case call == "dir":
			a := answer[[]fs.DirEntry]{err: err}
			for _, e := range k.Entries {
				a.is = append(a.is, e)
			}
			s.seen[k.Call] = a
		case k.Absent:
			s.seen[k.Call] = answer[fs.FileInfo]{err: err}
		case k.Entry != nil:
			s.seen[k.Call] = answer[fs.FileInfo]{is: k.Entry}
		}
	}
	return s, nil
}

// keptFile is where the copy of a source lies.
func (s *served) keptFile(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(s.r.state.Served(), hex.EncodeToString(sum[:12]))
}

// keep keeps a copy of a source that is valid: the SHA-256 of what follows in the
// first line. One that must not be kept takes the place of none: what is there goes.
func (s *served) keep(path string, of *snapshot, secrets []string) {
	body, err := of.encode(secrets)
	if err != nil {
		s.r.Log.Warn("a plan would not be served any more if it became invalid and the server were started anew: no copy of it is kept", "path", path, "why", err)
		_ = os.Remove(s.keptFile(path))
		return
	}
	sum := sha256.Sum256(body)
	text := append([]byte(hex.EncodeToString(sum[:])+"\n"), body...)
	if there, err := os.ReadFile(s.keptFile(path)); err == nil && len(there) == len(text) && bytes.Equal(there[:2*len(sum)], text[:2*len(sum)]) {
		return
	}
	name := s.keptFile(path) + ".new"
	err = os.WriteFile(name, text, 0o600)
	if err == nil {
		err = os.Rename(name, s.keptFile(path))
	}
	if err != nil {
		s.r.Log.Warn("a copy of a plan cannot be kept", "path", path, "error", err)
	}
}

// recall gives the copy of a source that is kept; nil: there is none that can be used.
func (s *served) recall(path, dir string) *snapshot {
	text, err := os.ReadFile(s.keptFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	digest, body, _ := bytes.Cut(text, []byte("\n"))
	sum := sha256.Sum256(body)
	if err == nil && string(digest) != hex.EncodeToString(sum[:]) {
		err = fmt.Errorf("%s is damaged", s.keptFile(path))
	}
	var of *snapshot
	if err == nil {
		of, err = decodeSnapshot(dir, body)
	}
	if err != nil {
		s.r.Log.Warn("the copy of a plan that was valid cannot be used", "path", path, "error", err)
		return nil
	}
	return of
}
