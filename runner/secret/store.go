// Package secret reads the secrets that a plan refers to: environment variables, files
// and commands. It makes each secret known to the redactor and keeps it in memory only.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	plansecret "github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/runner/redact"
)

const (
	// limit is the greatest size of a secret, in bytes: a file that was named by
	// mistake is not read as a whole.
	limit = 1 << 20
	// together is how many secrets are read at the same time.
	together = 8
)

// Store reads each reference once. It implements the plan's secret.Reader and is safe
// for concurrent use.
type Store struct {
	dir     string // of the plan: relative paths start there
	environ []string
	redact  *redact.Redactor

	mu    sync.Mutex
	known map[string]*reading
	open  map[string]bool // files that others may read or change
}

// reading is a secret that was read or is being read.
type reading struct {
	done   chan struct{} // closed when the other fields are set
	value  string
	err    error
	doubts []string // what is odd about the value, without the value
}

// New returns an empty store.
func New(dir string, environ []string, r *redact.Redactor) *Store {
	return &Store{dir: dir, environ: environ, redact: r, known: map[string]*reading{}, open: map[string]bool{}}
}

// key identifies a reference. Its String would not, because it leaves arguments out.
func key(ref plansecret.Ref) string {
	return string(ref.Kind) + "\x00" + strings.Join(ref.Args, "\x00")
}

// ReadSecret returns the secret that a reference names. Errors name the reference and
// the reason, but never a value. After a failure, the next call tries again.
func (s *Store) ReadSecret(ref plansecret.Ref) (string, error) {
	r := s.start(context.Background(), ref)
	<-r.done
	if r.err != nil {
		s.mu.Lock()
		if s.known[key(ref)] == r {
			delete(s.known, key(ref))
		}
		s.mu.Unlock()
	}
	return r.value, r.err
}

// start starts to read a secret unless that has happened already.
func (s *Store) start(ctx context.Context, ref plansecret.Ref) *reading {
	s.mu.Lock()
	r, ok := s.known[key(ref)]
	if !ok {
		r = &reading{done: make(chan struct{})}
		s.known[key(ref)] = r
	}
	s.mu.Unlock()
	if !ok {
		if r.value, r.err = s.read(ctx, ref); r.err == nil {
			s.redact.Add(r.value)
			r.doubts = doubts(r.value)
		}
		close(r.done)
	}
	return r
}

// Prefetch reads secrets at the same time. It does not report secrets that cannot be
// read: [Reader.ReadSecret] does so at the place that needs them. Its error is the end
// of ctx.
func (s *Store) Prefetch(ctx context.Context, refs []plansecret.Ref) error {
	var readers sync.WaitGroup
	free := make(chan struct{}, together)
	for _, ref := range refs {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			readers.Wait()
			return context.Cause(ctx)
		}
		readers.Go(func() {
			s.start(ctx, ref)
			<-free
		})
	}
	readers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Lacks returns the references that were not read yet.
func (s *Store) Lacks(refs []plansecret.Ref) []plansecret.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(refs), func(ref plansecret.Ref) bool { return s.known[key(ref)] != nil })
}

// Doubts describes what is odd about a secret that was read: invisible characters that
// are easily there by mistake. It does not contain the value.
func (s *Store) Doubts(ref plansecret.Ref) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.known[key(ref)]
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		return r.doubts
	default:
		return nil
	}
}

// Open returns the files read so far that are readable by others than owner and group,
// or writable by others than the owner.
func (s *Store) Open() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.open {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Store) read(ctx context.Context, ref plansecret.Ref) (string, error) {
	if len(ref.Args) == 0 {
		return "", fmt.Errorf("%s names nothing", ref)
	}
	switch ref.Kind {
	case plansecret.KindEnv:
		return s.readEnv(ref.Args[0])
	case plansecret.KindFile:
		return s.readFile(ref.Args[0])
	case plansecret.KindCommand:
		return s.readCommand(ctx, ref.Args)
	}
	return "", errors.New("it was given by value and cannot be read again")
}

func (s *Store) readEnv(name string) (string, error) {
	for i := len(s.environ) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(s.environ[i], "="); ok && k == name {
			if strings.TrimSpace(v) == "" {
				return "", fmt.Errorf("environment variable %s is set and holds nothing; set it to the secret and do the same again", name)
			}
			return v, nil
		}
	}
	return "", fmt.Errorf("environment variable %s is not set where dprun runs; set it there and do the same again", name)
}

func (s *Store) readFile(name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("%w; %s", err, remedy(err))
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; name a file that holds the secret and nothing else", err)
	case len(b) > limit:
		return "", fmt.Errorf("%s is larger than %d bytes: that is no secret", name, limit)
	case strings.TrimSpace(strings.TrimPrefix(string(b), byteOrderMark)) == "":
		return "", fmt.Errorf("%s is empty; write the secret into it", name)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o027 != 0 {
		s.mu.Lock()
		s.open[name] = true
		s.mu.Unlock()
	}
	return trim(b), nil
}

// remedy says what to do about a file that cannot be opened.
func remedy(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "write the secret into it, as the user that runs dprun and with mode 0600, or correct the path in the plan"
	case errors.Is(err, os.ErrPermission):
		return "let the user that runs dprun read it: its owner should be that user, its mode 0600"
	}
	return "name a file that holds the secret and nothing else"
}

// trim removes the single line end that editors and commands add.
func trim(b []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}
