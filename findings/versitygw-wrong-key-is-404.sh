#!/usr/bin/env bash
# versitygw: a wrong access key is "not found", so a client sees no bucket.
#
# Guess: a request that is signed with an access key that nobody has is answered
#   with 403 InvalidAccessKeyId, as S3 does, and a client says that access is denied.
# Seen:  it is answered with 404 XAdminUserNotFound. HEAD has no room for that
#   code: minio-go's BucketExists says that a bucket that is there is not, without an
#   error, and StatObject says NoSuchKey of an object that is there. Who makes the
#   bucket that seems to be missing, or stores the object anew, looks in the wrong
#   place. A wrong secret for a right access key is 403, as expected.
# Version: github.com/versity/versitygw v1.8.0 (posix); asked by
#   github.com/minio/minio-go/v7 v7.4.1. Building it takes minutes.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
mkdir -p served/bucket
GOBIN=$dir go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 2>log || { cat log; exit 1; }

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	ctx := context.Background()
	for _, who := range [][3]string{{"right", "somebody", "something"}, {"wrong secret", "somebody", "another"}, {"wrong key", "nobody", "something"}} {
		c, err := minio.New(os.Args[1], &minio.Options{Creds: credentials.NewStaticV4(who[1], who[2], ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
		if err != nil {
			panic(err)
		}
		if who[0] == "right" {
			if _, err := c.PutObject(ctx, "bucket", "object", strings.NewReader("content"), 7, minio.PutObjectOptions{}); err != nil {
				panic(err)
			}
		}
		there, err := c.BucketExists(ctx, "bucket")
		fmt.Printf("%s: HEAD of the bucket: %v, %s\n", who[0], there, code(err))
		_, err = c.StatObject(ctx, "bucket", "object", minio.StatObjectOptions{})
		fmt.Printf("%s: HEAD of the object: %s\n", who[0], code(err))
		for o := range c.ListObjects(ctx, "bucket", minio.ListObjectsOptions{}) {
			fmt.Printf("%s: list: %s%s\n", who[0], o.Key, strings.TrimPrefix(" "+code(o.Err), " ok"))
		}
	}
}

func code(err error) string {
	if err == nil {
		return "ok"
	}
	r := minio.ToErrorResponse(err)
	return fmt.Sprintf("%d %s", r.StatusCode, r.Code)
}
GO
go mod init example.com/finding 2>log && go get github.com/minio/minio-go/v7@v7.4.1 2>>log && go build -o client . 2>>log || { cat log; exit 1; }
address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ROOT_ACCESS_KEY=somebody ROOT_SECRET_KEY=something ./versitygw --port "$address" posix "$dir/served" >server.log 2>&1 &
server=$!
for _ in $(seq 600); do (: >"/dev/tcp/${address/:/\/}") 2>/dev/null && break; sleep 0.1; done
./client "$address" >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
right: HEAD of the bucket: true, ok
right: HEAD of the object: ok
right: list: object
wrong secret: HEAD of the bucket: false, 403 AccessDenied
wrong secret: HEAD of the object: 403 AccessDenied
wrong secret: list:  403 SignatureDoesNotMatch
wrong key: HEAD of the bucket: false, ok
wrong key: HEAD of the object: 404 NoSuchKey
wrong key: list:  404 XAdminUserNotFound
EXPECTED
