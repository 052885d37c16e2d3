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

// keptAnswer is an answer of the disk to one question during the compilation of a
// plan. All answers together are a copy of the valid plan, including its
// inventories. A server that is started again uses the copy if the plan has
// become invalid. Anything that may hold a secret is not kept.
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

// The reasons why no copy of a plan is kept.
var (
	errVariables = errors.New("it reads a file of variables, which may hold secrets")
	errPlain     = errors.New("its text holds a secret in plain; put a reference in its place")
)

// encode returns the answers of the disk. It returns an error if one of the
// secrets is in them.
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

// decodeSnapshot returns a directory as it was when the copy was made.
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

// keptFile returns the path of the copy of a source.
func (s *served) keptFile(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(s.r.state.Served(), hex.EncodeToString(sum[:12]))
}

// keep keeps a copy of a valid source. The first line of the copy is the SHA-256
// of the rest. If the source must not be kept, keep removes an earlier copy.
func (s *served) keep(path string, of *snapshot, secrets []string) {
	body, err := of.encode(secrets)
	if err != nil {
		s.r.Log.Warn("no copy of a plan is kept: if the plan becomes invalid, a server that is started again does not serve it", "path", path, "why", err)
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

// recall returns the kept copy of a source; nil: there is none that can be used.
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
