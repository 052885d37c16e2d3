package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/text/unicode/norm"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// maxKey leaves room for a temporary name within the 1,024 bytes that S3 allows.
const maxKey = 880

// bucket implements [store.Objects], which documents its methods.
type bucket struct {
	core   *minio.Core
	config config
	idle   func() // closes idle connections
	// These are what Probe has found out: whether the server may complete an
	// upload in parts, and whether it compares checksums.
	parts, confirms atomic.Bool
}

// Close implements [io.Closer].
func (b *bucket) Close() error {
	b.idle()
	return nil
}

func (b *bucket) key(name string) string { return path.Join(b.config.Prefix, name) }

// below returns the beginning of the keys in a directory.
func (b *bucket) below(dir string) string {
	if key := b.key(dir); key != "" {
		return key + "/"
	}
	return ""
}

func (b *bucket) Location(name string) string {
	return strings.TrimSuffix(b.config.Endpoint, "/") + "/" + path.Join(b.config.Bucket, b.key(name))
}

func (b *bucket) Stat(ctx context.Context, name string) (store.Info, error) {
	if name == "" {
		// HEAD would do, but its answer cannot say what is wrong.
		_, err := b.any(ctx, b.below(""))
		return store.Info{Dir: true}, err
	}
	why := ""
	switch {
	case len(b.key(name)) > maxKey:
		why = fmt.Sprintf("with the prefix it has %d bytes, at most %d are allowed", len(b.key(name)), maxKey)
	case !norm.NFC.IsNormalString(name):
		why = "it has characters that are composed of several, which not every server tells from those that are one"
	}
	if why != "" {
		return store.Info{}, failure.New(failure.Precondition, failure.BadConfig, "the name %q cannot be used: %s", name, why).WithRemedy("change the destination's `path`")
	}
	o, err := b.head(ctx, name)
	if err == nil {
		return store.Info{Size: o.Size, Modified: o.LastModified, Regular: true, Unfit: b.unlocked(name, o, time.Now())}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if any, listErr := b.any(ctx, b.key(name)+"/"); any || listErr != nil {
			return store.Info{Dir: true}, listErr
		}
	}
	return store.Info{}, err
}

// any reports whether any key begins with prefix.
func (b *bucket) any(ctx context.Context, prefix string) (bool, error) {
	for o := range b.core.ListObjectsIter(ctx, b.config.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, MaxKeys: 1}) {
		return o.Err == nil, explain(o.Err)
	}
	return false, ctx.Err()
}

func (b *bucket) head(ctx context.Context, name string) (minio.ObjectInfo, error) {
	o, err := b.core.StatObject(ctx, b.config.Bucket, b.key(name), minio.StatObjectOptions{})
	return o, explain(err)
}

func (b *bucket) List(ctx context.Context, dir string) (out []store.Info, _ error) {
	below := b.below(dir)
	for o := range b.core.ListObjectsIter(ctx, b.config.Bucket, minio.ListObjectsOptions{Prefix: below, Recursive: true}) {
		if o.Err != nil {
			return nil, explain(o.Err)
		}
		if name, ok := strings.CutPrefix(o.Key, below); ok && !strings.HasSuffix(name, "/") { // others are directories that somebody made by hand
			out = append(out, store.Info{Name: name, Size: o.Size, Modified: o.LastModified, Regular: true})
		}
	}
	return out, ctx.Err()
}

func (b *bucket) Get(ctx context.Context, name string, expect int64, w io.Writer) (int64, error) {
	body, _, _, err := b.core.GetObject(ctx, b.config.Bucket, b.key(name), minio.GetObjectOptions{})
	if err != nil {
		return 0, explain(err)
	}
	defer body.Close()
	n, err := store.Copy(w, io.LimitReader(body, expect+1))
	return n, explain(err)
}

// Remove removes an object. In a bucket with versions it stays as an older
// version, which the bucket's own rules remove.
func (b *bucket) Remove(ctx context.Context, name string) error {
	if temporary(name) {
		if err := b.abandon(ctx, name); err != nil {
			return err
		}
	} else if o, err := b.head(ctx, name); err != nil {
		return err
	} else if mode, until := lock(o); until.After(time.Now()) { // some servers would hide it behind a marker and keep it
		return failure.New(failure.Denied, failure.NoAccess, "it is locked until %s (%s)", until.UTC().Format(time.RFC3339), mode).
			WithRemedy("wait until then")
	}
	return explain(b.core.RemoveObject(ctx, b.config.Bucket, b.key(name), minio.RemoveObjectOptions{}))
}

func temporary(name string) bool { return strings.HasPrefix(path.Base(name), sdk.TempPrefix) }

// retention says how to lock an object; nil: not at all, as for objects that only test the server.
func (b *bucket) retention(name string) *retention {
	if temporary(name) {
		return nil
	}
	return b.config.Retention
}

// lock returns how an object is locked, and until when.
func lock(o minio.ObjectInfo) (mode string, until time.Time) {
	until, err := time.Parse(time.RFC3339, o.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	if err != nil {
		return "", time.Time{}
	}
	return o.Metadata.Get("X-Amz-Object-Lock-Mode"), until
}

// Create implements [store.Objects] with one PUT or with an upload in parts.
func (b *bucket) Create(ctx context.Context, temporary, final string, c store.Content) (store.Info, error) {
	send, begin := b.put, time.Now().Add(-time.Second) // locks end at whole seconds
	if c.Size > b.config.Above {
		send = b.multipart
	}
	if err := send(ctx, temporary, final, c); err != nil {
		return store.Info{}, err
	}
	o, err := b.head(ctx, final)
	if r := b.retention(final); r != nil {
		begin = begin.Add(r.Period)
	}
	return store.Info{
		Size: o.Size, Regular: true, Durable: store.No, // S3 cannot be asked about the disk
		Unconfirmed: !b.confirms.Load(), Unfit: b.unlocked(final, o, begin),
	}, err
}

// unlocked is the failure of an object that is not locked for long enough; nil:
// it is, or need not be.
func (b *bucket) unlocked(name string, o minio.ObjectInfo, atLeast time.Time) error {
	r := b.retention(name)
	if mode, until := lock(o); r == nil || mode == r.Mode && !until.Before(atLeast) {
		return nil
	}
	return failure.New(failure.Precondition, failure.Unsupported, "it is without the lock that `retention` asks for").
		WithRemedy("use a server that locks what it is told to, raise `multipart_above` where only files in parts are not locked, or leave `retention` out")
}

// Probe implements [store.Objects].
func (b *bucket) Probe(ctx context.Context, taken string) (warnings []string, err error) {
	if b.config.Retention != nil {
		if _, _, _, _, err := b.core.GetObjectLockConfig(ctx, b.config.Bucket); err != nil {
			return nil, failure.New(failure.Precondition, failure.Unsupported, "`retention` is set, and the bucket has no object lock: %w", explain(err)).
				WithRemedy("use a bucket that was made with object lock, or leave `retention` out")
		}
	}
	wrong, err := b.takesWrong(ctx)
	if err != nil {
		return nil, err
	}
	b.confirms.Store(!wrong)
	if wrong {
		warnings = append(warnings, "the server took data that its checksum did not fit: each file is read back, whatever `verify` says")
	}
	err = b.probeParts(ctx, taken)
	b.parts.Store(errors.Is(err, fs.ErrExist))
	if !b.parts.Load() {
		why := "it replaces what stands there when it is told not to"
		if err != nil {
			why = err.Error()
		}
		warnings = append(warnings, fmt.Sprintf("the server cannot be asked to complete an upload in parts (%s): files of more than %d bytes (multipart_above) are refused", why, b.config.Above))
	}
	return warnings, ctx.Err()
}
