package sftp

import (
	"cmp"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// destination is one configured directory on a server.
type destination struct {
	*store.Destination
	config   Config
	fileMode fs.FileMode
	log      *slog.Logger
	pool     *pool
	timing   timing
	there    *there

	probing chan struct{} // held while habits are being found out
	habits  atomic.Pointer[habits]
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
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	dialer := &dialer{config: c, credentials: credentials, timing: t}
	d := &destination{
		config: c, fileMode: mode, log: log, timing: t, probing: make(chan struct{}, 1), there: newThere(time.Now),
		pool: newPool(c.Connections, dialer.dial),
	}
	d.Destination = store.New(store.Options{
		Mode:            store.Mode{Want: mode, Required: c.RequireMode, Tell: d.tellMode},
		DirectoryRemedy: d.directoryRemedy(),
		Log:             log,
	}, d.open)
	return d, nil
}

// parseMode parses permission bits. The owner must be able to read and write,
// because otherwise a copy could not be verified.
func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 || n&0o600 != 0o600 {
		return 0, fmt.Errorf("%q is not an octal mode from 0600 to 0777 with read and write for the owner", s)
	}
	return fs.FileMode(n), nil
}

// space returns the room in the file system that holds dir, in bytes; -1: unknown.
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

// Close implements [sdk.Destination]. It waits for calls that are still running.
func (d *destination) Close() error {
	d.pool.close()
	return nil
}
