package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// destination is one configured directory on a server.
type destination struct {
	config   Config
	fileMode fs.FileMode
	log      *slog.Logger
	pool     *pool
	timing   timing
	now      func() time.Time

	probing chan struct{} // held while habits is looked at or found out
	habits  *habits       // nil: not known yet

	mu        sync.Mutex
	leftovers []string // temporary files that could not be removed
}

var _ sdk.Destination = (*destination)(nil)

// newDestination checks what can be checked without a connection.
func newDestination(c Config, env sdk.Env, agentSocket string, t timing) (*destination, error) {
	mode, err := parseMode(c.FileMode)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read file_mode: %w", err).
			WithRemedy("write it as an octal number, for example \"0640\"")
	}
	credentials, err := newCredentials(c, agentSocket)
	if err != nil {
		return nil, err
	}
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dialer := &dialer{config: c, credentials: credentials, timing: t}
	return &destination{
		config: c, fileMode: mode, log: log, timing: t, now: time.Now, probing: make(chan struct{}, 1),
		pool: newPool(c.Connections, dialer.dial),
	}, nil
}

// parseMode reads permission bits; the owner keeps read and write, without
// which a copy could not be verified.
func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 || n&0o600 != 0o600 {
		return 0, fmt.Errorf("%q is not an octal mode from 0600 to 0777 with read and write for the owner", s)
	}
	return fs.FileMode(n), nil
}

// with runs f on a session. When ctx ends first the connection is cut, so
// that f returns.
func (d *destination) with(ctx context.Context, f func(*session) error) error {
	s, err := d.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer d.pool.release(s)
	stop := context.AfterFunc(ctx, s.kill)
	defer stop()
	return f(s)
}

// space is the room of the file system that holds dir, in bytes; -1: unknown.
func space(s *session, dir string) (free, total int64) {
	if !s.has(extStatVFS) {
		return -1, -1
	}
	v, err := s.sftp.StatVFS(dir)
	if err != nil || v.Blocks == 0 {
		return -1, -1
	}
	return blocks(v.Bavail, v.Frsize), blocks(v.Blocks, v.Frsize)
}

func blocks(n, size uint64) int64 {
	if size == 0 {
		return -1
	}
	if n > math.MaxInt64/size {
		return math.MaxInt64
	}
	return int64(n * size)
}

// Stat implements [sdk.Destination].
func (d *destination) Stat(ctx context.Context, name string) (*sdk.Object, error) {
	if err := checkPath(name); err != nil {
		return nil, err
	}
	var o *sdk.Object
	err := d.with(ctx, func(s *session) error {
		full := path.Join(s.base, name)
		what := "look at " + d.config.location(full)
		st, err := s.sftp.Lstat(full)
		if status(err) == statusUnsupported {
			st, err = s.sftp.Stat(full)
		}
		if err != nil {
			return d.explain(ctx, s, err, path.Dir(full), what)
		}
		if !st.Mode().IsRegular() {
			return failure.New(failure.NotFound, failure.NoSuchFile, "%s: it is not a regular file", what)
		}
		o = &sdk.Object{Path: name, Size: st.Size(), Modified: st.ModTime()}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Delete implements [sdk.Destination].
func (d *destination) Delete(ctx context.Context, name string) error {
	if err := checkPath(name); err != nil {
		return err
	}
	return d.with(ctx, func(s *session) error {
		full := path.Join(s.base, name)
		what := "delete " + d.config.location(full)
		st, err := s.sftp.Lstat(full)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return d.explain(ctx, s, err, path.Dir(full), what)
		case st.IsDir():
			// The library's Remove would remove an empty one.
			return failure.New(failure.Precondition, "", "%s: it is a directory", what)
		}
		if err := s.sftp.Remove(full); err != nil && !errors.Is(err, os.ErrNotExist) {
			return d.explain(ctx, s, err, path.Dir(full), what)
		}
		return nil
	})
}

// Close implements [sdk.Destination]. Calls still running are waited for.
func (d *destination) Close() error {
	d.pool.close()
	return nil
}
