package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// chunk is how much is copied between two looks at the context.
const chunk = 8 << 20

// ownerTag is an owner's name in a form that fits into a file name.
func ownerTag(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:8])
}

// store is one Store call.
type store struct {
	d        *destination
	r        sdk.StoreRequest
	root     *os.Root
	progress func(int64)
	durable  bool
	modeKept bool
	warnings []string
}

// Store copies a file into the directory, all or nothing.
func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	if err := sdk.CheckPath(r.Path); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(int64) {}
	}
	src, err := os.Open(r.Source)
	if err != nil {
		return nil, sourceError(r.Source, err)
	}
	defer func() { _ = src.Close() }()
	info, err := src.Stat()
	if err != nil {
		return nil, sourceError(r.Source, err)
	}
	if !info.Mode().IsRegular() || info.Size() != r.Size {
		return nil, sourceError(r.Source, fmt.Errorf("it is not a regular file of %d bytes", r.Size))
	}
	root, err := d.make()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	s := &store{d: d, r: r, root: root, progress: progress, durable: true}
	if report, err := s.existing(ctx); report != nil || err != nil {
		return report, err
	}
	dir, _ := path.Split(r.Path)
	if err := s.makeDirs(strings.TrimSuffix(dir, "/")); err != nil {
		return nil, s.fail("make the directory of", err)
	}
	temp := dir + tempName(r.Owner)
	defer func() { _ = root.Remove(temp) }() // after it has been published: the second name
	sum, err := s.write(ctx, src, temp)
	if err != nil {
		return nil, err
	}
	if sum != strings.ToLower(r.SHA256) {
		return nil, failure.New(failure.Corrupt, failure.Mismatch, "store %s: what was written has the SHA-256 %s, not %s", d.location(r.Path), sum, r.SHA256).
			WithRemedy("check the disk; nothing was published")
	}
	if err := ctx.Err(); err != nil {
		return nil, failure.From(fmt.Errorf("store %s: %w", d.location(r.Path), err))
	}
	if err := publish(root, temp, r.Path); err != nil {
		if errors.Is(err, fs.ErrExist) { // another store was faster
			if report, err := s.existing(ctx); report != nil || err != nil {
				return report, err
			}
		}
		return nil, s.fail("publish", err)
	}
	_ = root.Remove(temp)
	synced, err := syncDir(root, path.Dir(r.Path))
	if err != nil {
		_ = root.Remove(r.Path)
		return nil, s.fail("make the directory durable of", err)
	}
	s.durable = s.durable && synced
	return s.report(false), nil
}

func (s *store) report(existed bool) *sdk.StoreReport {
	return &sdk.StoreReport{
		Location: s.d.location(s.r.Path), Size: s.r.Size, SHA256: strings.ToLower(s.r.SHA256), Verified: s.verify(), Durable: s.durable,
		ModeKept: s.modeKept, Existed: existed, Warnings: s.warnings,
	}
}

// verify is the way of verification; read_back is the default.
func (s *store) verify() sdk.Verify {
	if s.r.Verify == sdk.VerifySent {
		return sdk.VerifySent
	}
	return sdk.VerifyReadBack
}

func (s *store) fail(what string, err error) *failure.Error {
	return classify(what, s.d.location(s.r.Path), err, failure.NoDirectory)
}

// existing looks at what stands under the final name: the same content is a
// success, other content is Exists, nothing is (nil, nil).
func (s *store) existing(ctx context.Context) (*sdk.StoreReport, error) {
	occupied := func(what string) error {
		return failure.New(failure.Exists, failure.Occupied, "store %s: %s stands there already", s.d.location(s.r.Path), what).
			WithRemedy("see whose it is (a set has a manifest, *.dprun.json, beside it) before moving it away, or make the destination's `path` distinct, for example with ${stamp}")
	}
	info, err := s.root.Lstat(s.r.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, s.fail("look for", err)
	case !info.Mode().IsRegular():
		return nil, occupied("something that is no regular file")
	case info.Size() != s.r.Size:
		return nil, occupied("another file")
	}
	f, err := s.root.Open(s.r.Path)
	if err != nil {
		return nil, s.fail("read", err)
	}
	defer func() { _ = f.Close() }()
	sum, err := hashFile(ctx, f)
	if err != nil {
		return nil, s.fail("read", err)
	}
	if sum != strings.ToLower(s.r.SHA256) {
		return nil, occupied("another file")
	}
	if s.modeKept, s.warnings, err = s.d.modeOf(f, s.d.directory); err != nil {
		return nil, err
	}
	synced, err := syncFile(f)
	if err == nil {
		var dir bool
		dir, err = syncDir(s.root, path.Dir(s.r.Path))
		synced = synced && dir
	}
	if err != nil {
		return nil, s.fail("make durable", err)
	}
	s.durable = synced
	report := s.report(true)
	report.Verified = sdk.VerifyReadBack
	return report, nil
}

// makeDirs makes a directory and its parents; each new name is made durable.
func (s *store) makeDirs(dir string) error {
	if dir == "" {
		return nil
	}
	made := "."
	for part := range strings.SplitSeq(dir, "/") {
		parent := made
		made = path.Join(made, part)
		err := s.root.Mkdir(made, dirMode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			_, err = syncDir(s.root, parent)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write copies the source to the temporary file, makes it durable and returns
// the hash of what is in it (read_back) or of what was written (sent).
func (s *store) write(ctx context.Context, src *os.File, temp string) (sum string, err error) {
	dst, err := s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return "", s.fail("write", err)
	}
	defer func() { _ = dst.Close() }()
	sent := sha256.New()
	if s.verify() == sdk.VerifyReadBack {
		sent = nil // the copy is made by the kernel, and hashed when it is read again
	}
	if err := s.copy(ctx, src, dst, sent); err != nil {
		return "", err
	}
	synced := make(chan error, 1)
	go func() {
		var err error
		s.durable, err = syncFile(dst)
		synced <- err
	}()
	if sent == nil {
		sum, err = readBack(ctx, s.root, temp)
	} else {
		sum = hex.EncodeToString(sent.Sum(nil))
	}
	if syncErr := <-synced; err == nil {
		err = syncErr
	}
	if err != nil {
		return "", s.fail("write", err)
	}
	if info, err := dst.Stat(); err != nil || info.Size() != s.r.Size {
		return "", failure.New(failure.Corrupt, failure.Mismatch, "store %s: the file written does not have %d bytes", s.d.location(s.r.Path), s.r.Size)
	}
	if s.modeKept, s.warnings, err = s.d.modeOf(dst, s.d.directory); err != nil {
		return "", err
	}
	return sum, nil
}

// copy copies the source's r.Size bytes. h, if not nil, gets them too.
func (s *store) copy(ctx context.Context, src, dst *os.File, h hash.Hash) error {
	var done int64
	var block *[256 << 10]byte
	if h != nil {
		block = blocks.Get().(*[256 << 10]byte)
		defer blocks.Put(block)
	}
	for done < s.r.Size {
		if err := ctx.Err(); err != nil {
			return failure.From(fmt.Errorf("store %s: %w", s.d.location(s.r.Path), err))
		}
		want := min(chunk, s.r.Size-done)
		var n int64
		var err error
		if h == nil {
			n, err = dst.ReadFrom(io.LimitReader(src, want))
			if err == nil && n < want {
				return sourceError(s.r.Source, io.ErrUnexpectedEOF)
			}
		} else {
			part := block[:min(int64(len(block)), want)]
			if _, err := io.ReadFull(src, part); err != nil {
				return sourceError(s.r.Source, err)
			}
			h.Write(part)
			n = int64(len(part))
			_, err = dst.Write(part)
		}
		if err != nil {
			return s.fail("write", err)
		}
		startWriteback(dst, done, n)
		done += n
		s.progress(done)
	}
	if n, err := src.Read(make([]byte, 1)); n > 0 || err != nil && err != io.EOF {
		return sourceError(s.r.Source, errors.New("it grew while it was read"))
	}
	return nil
}

// readBack hashes a temporary file through a descriptor of its own.
func readBack(ctx context.Context, root *os.Root, temp string) (string, error) {
	f, err := root.Open(temp)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return hashFile(ctx, f)
}

// publish gives the temporary file its final name. A hard link, unlike a
// rename, never takes the name from another file; where there are no hard
// links, a rename right after a look has to do.
func publish(root *os.Root, temp, final string) error {
	err := root.Link(temp, final)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	if _, err := root.Lstat(final); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return root.Rename(temp, final)
}

// blocks are what files are read through: large enough for few calls, small enough for a core's cache.
var blocks = sync.Pool{New: func() any { return new([256 << 10]byte) }}

func hashFile(ctx context.Context, f *os.File) (string, error) {
	h := sha256.New()
	block := blocks.Get().(*[256 << 10]byte)
	defer blocks.Put(block)
	buf := block[:]
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}
