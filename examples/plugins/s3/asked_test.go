//go:build builtservers

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers/results"
)

// asker asks a server request by request what it does.
type asker struct {
	*testing.T
	*minio.Core
	addr   string
	bucket string
	lock   error // why there is no bucket with object lock
}

const locking = "locking"

// questions are asked of every server, in this order.
var questions = []struct {
	what string
	ask  func(*asker) string
}{
	{"PUT with `If-None-Match: *` over an object", (*asker).conditionalPut},
	{"Four such PUTs at once, 20 rounds: most that succeed", func(a *asker) string { return a.race(a.putOne) }},
	{"Completing an upload in parts, with the same condition", (*asker).conditionalComplete},
	{"Four such completions at once, 20 rounds: most that succeed", func(a *asker) string { return a.race(a.completeOne) }},
	{"Wrong `Content-MD5`: PUT; part", (*asker).wrongMD5},
	{"Wrong `x-amz-checksum-sha256`", (*asker).wrongSHA256},
	{"Connection cut in the middle of a PUT: what stands there", (*asker).cut},
	{"Unfinished uploads: found by directory; by name", (*asker).unfinished},
	{"Aborting an upload twice: the second time", (*asker).abortAgain},
	{"1,100 objects, listed at once", (*asker).listing},
	{"Bytes 100 to 199; the last 100", (*asker).ranges},
	{"`p`, then `p/q`", (*asker).below},
	{"A name that ends in `/`, with data", (*asker).slash},
	{"GET of what is not there: object; bucket", (*asker).missing},
	{"A wrong key; a wrong secret", (*asker).strangers},
	{"Signed for another region", (*asker).region},
	{"Bucket with object lock", (*asker).lockBucket},
	{"…an object with retention: PUT; in parts", (*asker).locked},
	{"…DELETE of it; of its version", (*asker).deleteLocked},
	{"PUT with retention, in a bucket without lock", (*asker).lockElsewhere},
}

func (s server) ask(t *testing.T) (out []results.S3Ask) {
	endpoint := s.start(t)
	a := &asker{T: t, Core: dial(t, endpoint, accessKey, secretKey, "us-east-1"), addr: endpoint, bucket: "backups"}
	a.lock = a.MakeBucket(t.Context(), locking, minio.MakeBucketOptions{ObjectLocking: true})
	for _, q := range questions {
		out = append(out, results.S3Ask{Question: q.what, Answer: q.ask(a)})
	}
	return out
}

func dial(t *testing.T, endpoint, key, secret, region string) *minio.Core {
	t.Helper()
	return need.Value(minio.NewCore(endpoint[len("http://"):], &minio.Options{
		Creds: credentials.NewStaticV4(key, secret, ""), Region: region, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	}))(t)
}

// code is what a server says.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if r, ok := errors.AsType[minio.ErrorResponse](err); ok {
		if r.StatusCode == 0 {
			return r.Code
		}
		return fmt.Sprintf("%d %s", r.StatusCode, r.Code)
	}
	return "no answer"
}

func some(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (a *asker) put(bucket, key string, content []byte, o minio.PutObjectOptions) (minio.UploadInfo, error) {
	sum, sha, err := digests(bytes.NewReader(content), 0, int64(len(content)))
	need.Done(a.T, err)
	o.DisableContentSha256 = true
	return a.PutObject(a.Context(), bucket, key, bytes.NewReader(content), int64(len(content)), sum, sha, o)
}

func (a *asker) complete(bucket, key string, content []byte, o minio.PutObjectOptions) error {
	id, err := a.NewMultipartUpload(a.Context(), bucket, key, o)
	if err != nil {
		return err
	}
	b := &bucketOf{a, bucket}
	return b.parts(key, id, content)
}

type bucketOf struct {
	*asker
	bucket string
}

func (b *bucketOf) parts(key, id string, content []byte) error {
	p, err := b.PutObjectPart(b.Context(), b.bucket, key, id, 1, bytes.NewReader(content), int64(len(content)), minio.PutObjectPartOptions{})
	if err == nil {
		_, err = b.CompleteMultipartUpload(b.Context(), b.bucket, key, id, []minio.CompletePart{{PartNumber: 1, ETag: p.ETag}}, condition())
	}
	return err
}

// holds says what stands at a key, where other content stood.
func (a *asker) holds(err error, key string, old []byte) string {
	if got := a.get(a.bucket, key); !bytes.Equal(got, old) {
		return "**replaces it** (" + code(err) + ")"
	}
	return code(err)
}

func (a *asker) get(bucket, key string) []byte {
	body, _, _, err := a.GetObject(a.Context(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	return b
}

func (a *asker) stood(key string) []byte {
	old := some(1000)
	need.Value(a.put(a.bucket, key, old, minio.PutObjectOptions{}))(a.T)
	return old
}

func (a *asker) conditionalPut() string {
	old := a.stood("put")
	_, err := a.put(a.bucket, "put", some(1000), condition())
	return a.holds(err, "put", old)
}

func (a *asker) conditionalComplete() string {
	old := a.stood("complete")
	return a.holds(a.complete(a.bucket, "complete", some(1000), minio.PutObjectOptions{}), "complete", old)
}

func (a *asker) putOne(key string) error {
	_, err := a.put(a.bucket, key, some(100_000), condition())
	return err
}

func (a *asker) completeOne(key string) error {
	return a.complete(a.bucket, key, some(100_000), minio.PutObjectOptions{})
}

func (a *asker) race(try func(key string) error) string {
	most := 0
	for range 20 {
		key := "race-" + rand.Text()
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = try(key) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		most = max(most, won)
	}
	return fmt.Sprint(most)
}

func (a *asker) wrongMD5() string {
	content := some(1000)
	wrong, _, _ := digests(bytes.NewReader(nil), 0, 0)
	_, sha, _ := digests(bytes.NewReader(content), 0, 1000)
	_, put := a.PutObject(a.Context(), a.bucket, "md5", bytes.NewReader(content), 1000, wrong, sha, plain())
	id := need.Value(a.NewMultipartUpload(a.Context(), a.bucket, "md5-part", minio.PutObjectOptions{}))(a.T)
	_, part := a.PutObjectPart(a.Context(), a.bucket, "md5-part", id, 1, bytes.NewReader(content), 1000, minio.PutObjectPartOptions{Md5Base64: wrong, Sha256Hex: sha, DisableContentSha256: true})
	_ = a.AbortMultipartUpload(a.Context(), a.bucket, "md5-part", id)
	said := code(put) + "; " + code(part)
	if put != nil && a.get(a.bucket, "md5") != nil {
		said += ", **yet it is stored**"
	}
	return said
}

func (a *asker) wrongSHA256() string {
	o := minio.PutObjectOptions{UserMetadata: map[string]string{"X-Amz-Checksum-Sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}}
	_, err := a.put(a.bucket, "sha", some(1000), o)
	return code(err)
}

// cut sends half of an object with its MD5, as the plugin does.
func (a *asker) cut() string {
	content := some(4 << 20)
	sum, sha, _ := digests(bytes.NewReader(content), 0, int64(len(content)))
	ctx, cancel := context.WithCancel(a.Context())
	defer cancel()
	half := io.MultiReader(bytes.NewReader(content[:2<<20]), stuck{ctx, cancel})
	if _, err := a.PutObject(ctx, a.bucket, "cut", half, int64(len(content)), sum, sha, plain()); err == nil {
		return "the server took half for all"
	}
	time.Sleep(2 * time.Second) // for a server that goes on
	if got := a.get(a.bucket, "cut"); got != nil {
		return fmt.Sprintf("**%d bytes of %d**", len(got), len(content))
	}
	return "nothing"
}

// stuck gives nothing, and ends the request.
type stuck struct {
	ctx context.Context
	end func()
}

func (s stuck) Read([]byte) (int, error) {
	time.Sleep(200 * time.Millisecond)
	s.end()
	return 0, s.ctx.Err()
}

func (a *asker) unfinished() string {
	id := need.Value(a.NewMultipartUpload(a.Context(), a.bucket, "dir/unfinished", minio.PutObjectOptions{}))(a.T)
	defer func() { _ = a.AbortMultipartUpload(a.Context(), a.bucket, "dir/unfinished", id) }()
	found := func(prefix string) string {
		r, err := a.ListMultipartUploads(a.Context(), a.bucket, prefix, "", "", "", 100)
		switch {
		case err != nil:
			return code(err)
		case slices.ContainsFunc(r.Uploads, func(u minio.ObjectMultipartInfo) bool { return u.UploadID == id }):
			return "yes"
		}
		return "**no**"
	}
	return found("dir/") + "; " + found("dir/unfinished")
}

func (a *asker) abortAgain() string {
	id := need.Value(a.NewMultipartUpload(a.Context(), a.bucket, "aborted", minio.PutObjectOptions{}))(a.T)
	need.Done(a.T, a.AbortMultipartUpload(a.Context(), a.bucket, "aborted", id))
	return code(a.AbortMultipartUpload(a.Context(), a.bucket, "aborted", id))
}

func (a *asker) listing() string {
	const n = 1100
	keys := make(chan string)
	go func() {
		defer close(keys)
		for i := range n {
			keys <- fmt.Sprintf("many/%d", i*7919%n)
		}
	}()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for k := range keys {
				if _, err := a.put(a.bucket, k, []byte(k), minio.PutObjectOptions{}); err != nil {
					a.Errorf("put %s: %v", k, err)
				}
			}
		})
	}
	wg.Wait()
	var got []string
	for o := range a.ListObjectsIter(a.Context(), a.bucket, minio.ListObjectsOptions{Prefix: "many/", Recursive: true}) {
		need.Done(a.T, o.Err)
		got = append(got, o.Key)
	}
	said := "all"
	if len(slices.Compact(slices.Sorted(slices.Values(got)))) != n {
		said = fmt.Sprintf("**%d**", len(got))
	}
	if !slices.IsSorted(got) {
		said += ", **not in the order of bytes**"
	}
	return said
}

func (a *asker) ranges() string {
	content := a.stood("ranges")
	asked := func(from, to int64, want []byte) string {
		var o minio.GetObjectOptions
		need.Done(a.T, o.SetRange(from, to))
		body, _, _, err := a.GetObject(a.Context(), a.bucket, "ranges", o)
		if err != nil {
			return code(err)
		}
		defer body.Close()
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
			return "**other bytes**"
		}
		return "right"
	}
	return asked(100, 199, content[100:200]) + "; " + asked(0, -100, content[900:])
}

func (a *asker) below() string {
	a.stood("p")
	_, err := a.put(a.bucket, "p/q", []byte("q"), minio.PutObjectOptions{})
	said := code(err)
	if err == nil && !a.lists("p/", "p/q") {
		said += ", **and is not listed**"
	}
	if a.get(a.bucket, "p") == nil {
		said += ", **and `p` is gone**"
	}
	return said
}

func (a *asker) lists(prefix, key string) bool {
	for o := range a.ListObjectsIter(a.Context(), a.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Key == key {
			return true
		}
	}
	return false
}

func (a *asker) slash() string {
	_, err := a.put(a.bucket, "folder/", []byte("data"), minio.PutObjectOptions{})
	return code(err)
}

func (a *asker) missing() string {
	_, _, _, object := a.GetObject(a.Context(), a.bucket, "nothing", minio.GetObjectOptions{})
	_, _, _, bucket := a.GetObject(a.Context(), "nowhere", "nothing", minio.GetObjectOptions{})
	return code(object) + "; " + code(bucket)
}

func (a *asker) strangers() string {
	asked := func(key, secret string) string {
		_, _, _, err := dial(a.T, a.addr, key, secret, "us-east-1").GetObject(a.Context(), a.bucket, "put", minio.GetObjectOptions{})
		return code(err)
	}
	return asked("nobody", secretKey) + "; " + asked(accessKey, "wrong-secret-key")
}

func (a *asker) region() string {
	_, _, _, err := dial(a.T, a.addr, accessKey, secretKey, "eu-north-7").GetObject(a.Context(), a.bucket, "put", minio.GetObjectOptions{})
	return code(err)
}

func (a *asker) lockBucket() string {
	if a.lock != nil {
		return "none: " + code(a.lock)
	}
	_, _, _, _, err := a.GetObjectLockConfig(a.Context(), locking)
	return code(err)
}

func retained() minio.PutObjectOptions {
	return minio.PutObjectOptions{Mode: minio.Governance, RetainUntilDate: time.Now().Add(time.Hour)}
}

func (a *asker) locked() string {
	if a.lock != nil {
		return ""
	}
	is := func(key string, err error) string {
		if err != nil {
			return code(err)
		}
		o := need.Value(a.StatObject(a.Context(), locking, key, minio.StatObjectOptions{}))(a.T)
		if mode, until := lock(o); mode != "GOVERNANCE" || until.Before(time.Now()) {
			return "ok, **not locked**"
		}
		return "locked"
	}
	_, err := a.put(locking, "put", some(1000), retained())
	return is("put", err) + "; " + is("parts", a.complete(locking, "parts", some(1000), retained()))
}

func (a *asker) deleteLocked() string {
	if a.lock != nil {
		return ""
	}
	i, err := a.put(locking, "deleted", some(1000), retained())
	if err != nil {
		return code(err)
	}
	plainly := a.RemoveObject(a.Context(), locking, "deleted", minio.RemoveObjectOptions{})
	said := code(plainly)
	if plainly == nil && a.get(locking, "deleted") == nil {
		said += ", hidden"
	}
	return said + "; " + code(a.RemoveObject(a.Context(), locking, "deleted", minio.RemoveObjectOptions{VersionID: i.VersionID}))
}

func (a *asker) lockElsewhere() string {
	_, err := a.put(a.bucket, "elsewhere", some(1000), retained())
	said := code(err)
	if there := a.get(a.bucket, "elsewhere") != nil; err != nil && there {
		said += ", **yet it is stored**"
	}
	return said
}
