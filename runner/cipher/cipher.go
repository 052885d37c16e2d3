// Package cipher encrypts and decrypts files with age, and reads the identities that
// open them. It holds at most a block of a file in memory.
package cipher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"

	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/runner/backups"
)

// counter measures and hashes what is written through it.
type counter struct {
	to  io.Writer
	sum hash.Hash
	n   int64
}

func newCounter(to io.Writer) *counter { return &counter{to: to, sum: sha256.New()} }

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.sum.Write(b[:n])
	c.n += int64(n)
	return n, err
}

func (c *counter) content() backups.Content {
	return backups.Content{Size: c.n, SHA256: hex.EncodeToString(c.sum.Sum(nil))}
}

// Most returns the greatest size in bytes of a file of the given size after encryption
// for that many recipients.
func Most(size int64, recipients int) int64 {
	const chunk, tag, header, stanza = 64 << 10, 16, 512, 4 << 10
	return size + (size/chunk+1)*tag + header + int64(recipients)*stanza
}

// Encrypt reads from, writes it encrypted to to, and returns the size and hash of both. Each of the
// recipients can open the result. Encrypting the same file again gives other bytes.
func Encrypt(ctx context.Context, to io.Writer, from io.Reader, recipients recipient.Set) (plain, sealed backups.Content, err error) {
	out := newCounter(to)
	w, err := age.Encrypt(out, recipients.Ages()...)
	if err != nil {
		return plain, sealed, err
	}
	in := newCounter(w)
	if _, err := io.Copy(in, during{ctx, from}); err != nil {
		return plain, sealed, err
	}
	if err := w.Close(); err != nil {
		return plain, sealed, err
	}
	return in.content(), out.content(), nil
}

// ErrNotOpened says that none of the identities opens the file.
var ErrNotOpened = errors.New("none of the given identities opens it")

// Decrypt reads from, writes it decrypted to to, and returns the size and hash of what it wrote. After
// an error, the caller must not use what was written.
func (i *Identities) Decrypt(ctx context.Context, to io.Writer, from io.Reader) (backups.Content, error) {
	r, err := age.Decrypt(during{ctx, from}, i.list...)
	if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
		return backups.Content{}, ErrNotOpened
	}
	if err != nil {
		return backups.Content{}, fmt.Errorf("it is no file of age, or damaged: %w", err)
	}
	out := newCounter(to)
	if _, err := io.Copy(out, r); err != nil {
		return backups.Content{}, fmt.Errorf("it is damaged, or ends too early: %w", err)
	}
	return out.content(), nil
}

// during reads until its context ends.
type during struct {
	ctx  context.Context
	from io.Reader
}

func (d during) Read(b []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.from.Read(b)
}
