package staging

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// blocks are what files are read through: large enough for few calls, small enough for a core's cache.
var blocks = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// digest returns the SHA-256 of a file. If the follower has hashed the beginning
// while the file was written, only the rest is read. If that does not give the
// claimed hash, the file may have been written out of order, and all of it is
// read again. So only a complete fresh reading can contradict a claim.
func digest(ctx context.Context, f *os.File, info fs.FileInfo, claimed string, fs []*followed) ([]byte, error) {
	want, _ := hex.DecodeString(claimed) // not hex: equal to no sum
	for _, known := range fs {
		if !os.SameFile(known.info, info) || known.at > info.Size() {
			continue
		}
		if _, err := hashFrom(ctx, known.hash, f, known.at); err != nil {
			return nil, err
		}
		if sum := known.hash.Sum(nil); bytes.Equal(sum, want) {
			return sum, nil
		}
	}
	h := sha256.New()
	if _, err := hashFrom(ctx, h, f, 0); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// hashFrom adds what stands in a file from an offset up to its end, and
// returns where that is.
func hashFrom(ctx context.Context, h hash.Hash, f io.ReaderAt, at int64) (int64, error) {
	buffer := blocks.Get().(*[256 << 10]byte)
	defer blocks.Put(buffer)
	block := buffer[:]
	for {
		if err := ctx.Err(); err != nil {
			return at, err
		}
		n, err := f.ReadAt(block, at)
		h.Write(block[:n])
		at += int64(n)
		if err == io.EOF {
			return at, nil
		}
		if err != nil {
			return at, err
		}
	}
}

// links is how many names a file has.
func links(info fs.FileInfo) uint64 {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Nlink)
	}
	return 1
}
