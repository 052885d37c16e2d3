package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// maxParts is how many parts an object may have.
const maxParts = 10_000

// plain makes the client send bytes as they are. Otherwise it would frame them,
// and some servers store the frames too.
func plain() minio.PutObjectOptions { return minio.PutObjectOptions{DisableContentSha256: true} }

// condition makes a request fail if it would replace an object.
func condition() minio.PutObjectOptions {
	o := plain()
	o.SetMatchETagExcept("*")
	return o
}

// locked adds the headers for the configured retention.
func (b *bucket) locked(name string, o minio.PutObjectOptions) minio.PutObjectOptions {
	if r := b.retention(name); r != nil {
		o.Mode, o.RetainUntilDate = minio.RetentionMode(r.Mode), time.Now().Add(r.Period)
	}
	return o
}

// digests computes the checksums of a piece of a file before it is sent. Without
// them, servers take a connection that ends early for the end of the file.
func digests(r io.ReaderAt, off, n int64) (md5Base64, sha256Hex string, err error) {
	m, s := md5.New(), sha256.New()
	_, err = store.Copy(io.MultiWriter(m, s), io.NewSectionReader(r, off, n))
	return base64.StdEncoding.EncodeToString(m.Sum(nil)), hex.EncodeToString(s.Sum(nil)), err
}

// put sends a file in one request.
func (b *bucket) put(ctx context.Context, _, final string, c store.Content) error {
	sum, _, err := digests(c.Local, 0, c.Size)
	if err != nil {
		return err
	}
	raw, err := hex.DecodeString(c.SHA256)
	if err != nil {
		return err
	}
	o := b.locked(final, condition())
	o.UserMetadata = map[string]string{"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(raw)} // the client sends it as this header
	for try := 1; ; try++ {
		_, err = b.core.PutObject(ctx, b.config.Bucket, b.key(final), io.NewSectionReader(c, 0, c.Size), c.Size, sum, c.SHA256, o)
		// If two requests make one object at the same time, versitygw may tell one of
		// them that there is a directory. When asked again, it names the real reason.
		err = explain(err)
		if f, told := errors.AsType[*failure.Error](err); !told || f.Kind != failure.Exists || try == 3 || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// note is the content of the object under the temporary name while a file is
// sent in parts. It is needed because servers list unfinished uploads in
// different ways or not at all, and the list does not say who began them.
type note struct {
	Key    string `json:"key"`
	Upload string `json:"upload"`
}

// multipart sends a file in parts, one after the other. Memory use does not
// depend on the size of the parts.
func (b *bucket) multipart(ctx context.Context, temporary, final string, c store.Content) error {
	if !b.parts.Load() {
		return failure.New(failure.Precondition, failure.Unsupported, "the file has %d bytes, and this server cannot be trusted with uploads in parts: see the warnings of `dprun check`", c.Size).
			WithRemedy("raise `multipart_above`, up to 5GiB, or use another server")
	}
	n := note{Key: b.key(final)}
	var err error
	if n.Upload, err = b.core.NewMultipartUpload(ctx, b.config.Bucket, n.Key, b.locked(final, minio.PutObjectOptions{})); err != nil {
		return explain(err)
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	sum, sha, _ := digests(bytes.NewReader(text), 0, int64(len(text)))
	if _, err := b.core.PutObject(ctx, b.config.Bucket, b.key(temporary), bytes.NewReader(text), int64(len(text)), sum, sha, plain()); err != nil {
		return errors.Join(explain(err), b.abort(context.WithoutCancel(ctx), n))
	}
	if err := b.sendParts(ctx, n, c); err != nil {
		return err
	}
	// The upload is gone; the next sweep may remove the note.
	_ = b.core.RemoveObject(ctx, b.config.Bucket, b.key(temporary), minio.RemoveObjectOptions{})
	return nil
}

// sendParts sends the parts and completes the object.
func (b *bucket) sendParts(ctx context.Context, n note, c store.Content) error {
	size := max(b.config.PartSize, (c.Size+maxParts-1)/maxParts)
	var parts []minio.CompletePart
	for off := int64(0); off < c.Size; off += size {
		part := min(size, c.Size-off)
		sum, sha, err := digests(c.Local, off, part)
		if err != nil {
			return err
		}
		p, err := b.core.PutObjectPart(ctx, b.config.Bucket, n.Key, n.Upload, len(parts)+1, io.NewSectionReader(c, off, part), part,
			minio.PutObjectPartOptions{Md5Base64: sum, Sha256Hex: sha, DisableContentSha256: true})
		if err != nil {
			return explain(err)
		}
		parts = append(parts, minio.CompletePart{PartNumber: len(parts) + 1, ETag: p.ETag})
	}
	_, err := b.core.CompleteMultipartUpload(ctx, b.config.Bucket, n.Key, n.Upload, parts, condition())
	return explain(err)
}

// abandon aborts the upload that the note under a temporary name describes, if there is one.
func (b *bucket) abandon(ctx context.Context, temporary string) error {
	var text bytes.Buffer
	if _, err := b.Get(ctx, temporary, 4<<10, &text); err != nil {
		return err
	}
	var n note
	if json.Unmarshal(text.Bytes(), &n) != nil || n.Upload == "" || path.Dir(n.Key) != path.Dir(b.key(temporary)) {
		return nil // it is from a probe
	}
	return b.abort(ctx, n)
}

func (b *bucket) abort(ctx context.Context, n note) error {
	err := b.core.AbortMultipartUpload(ctx, b.config.Bucket, n.Key, n.Upload)
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound { // it was completed or aborted before
		return nil
	}
	return explain(err)
}

// probeParts tries to replace an object by an upload in parts. The server must
// refuse that with fs.ErrExist.
func (b *bucket) probeParts(ctx context.Context, taken string) (err error) {
	n := note{Key: b.key(taken)}
	if n.Upload, err = b.core.NewMultipartUpload(ctx, b.config.Bucket, n.Key, minio.PutObjectOptions{}); err != nil {
		return explain(err)
	}
	content := bytes.NewReader([]byte("probe"))
	if err = b.sendParts(ctx, n, store.Content{ReaderAt: content, Local: content, Size: content.Size()}); err != nil {
		if wrong := b.abort(context.WithoutCancel(ctx), n); wrong != nil {
			return wrong
		}
	}
	return err
}

// takesWrong reports whether the server stores content that does not match its checksum.
func (b *bucket) takesWrong(ctx context.Context) (bool, error) {
	name, content := store.TempName("check"), []byte("probe")
	_, sha, _ := digests(bytes.NewReader(content), 0, int64(len(content)))
	wrong, _, _ := digests(bytes.NewReader(nil), 0, 0)
	_, err := b.core.PutObject(ctx, b.config.Bucket, b.key(name), bytes.NewReader(content), int64(len(content)), wrong, sha, plain())
	if err = explain(err); err != nil {
		if failure.From(err).Kind == failure.Corrupt {
			return false, nil
		}
		return false, err
	}
	return true, b.Remove(ctx, name)
}
