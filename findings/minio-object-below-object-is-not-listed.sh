#!/usr/bin/env bash
# MinIO: an object that was stored is in no list.
#
# Guess: names are flat. `set` and `set/file` are two objects, and a list names
#   both; or the server refuses the second, as those with directories do.
# Seen:  both are stored with 200, in either order, and GET gives both. `set/file` is
#   in no list: not of the bucket, not of `set/`, not of its exact name. It is there for
#   who knows the name, and for nobody who looks what there is: not for a copy of
#   the bucket, nor for a tool that removes what is old.
# Version: github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c, one drive;
#   asked by github.com/minio/minio-go/v7 v7.4.1. Building it takes minutes.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
mkdir served
GOBIN=$dir go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c 2>log || { cat log; exit 1; }

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	ctx := context.Background()
	c, err := minio.New(os.Args[1], &minio.Options{Creds: credentials.NewStaticV4("somebody", "something", ""), Region: "us-east-1"})
	must(err)
	for begin := time.Now(); ; time.Sleep(200 * time.Millisecond) { // it listens before it is ready
		if err = c.MakeBucket(ctx, "bucket", minio.MakeBucketOptions{}); err == nil || time.Since(begin) > time.Minute {
			break
		}
	}
	must(err)
	for _, key := range []string{"one", "one/file", "two/file", "two"} {
		_, err := c.PutObject(ctx, "bucket", key, strings.NewReader(key), int64(len(key)), minio.PutObjectOptions{})
		must(err)
	}
	for _, key := range []string{"one", "one/file", "two", "two/file"} {
		o, err := c.GetObject(ctx, "bucket", key, minio.GetObjectOptions{})
		must(err)
		b, err := io.ReadAll(o)
		must(err)
		fmt.Printf("get %s: %s\n", key, b)
	}
	for _, prefix := range []string{"", "one/", "one/file", "two/", "two/file"} {
		var keys []string
		for o := range c.ListObjects(ctx, "bucket", minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			must(o.Err)
			keys = append(keys, o.Key)
		}
		fmt.Printf("list %q: %q\n", prefix, keys)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
go mod init example.com/finding 2>log && go get github.com/minio/minio-go/v7@v7.4.1 2>>log && go build -o client . 2>>log || { cat log; exit 1; }
address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
MINIO_ROOT_USER=somebody MINIO_ROOT_PASSWORD=something ./minio server --address "$address" --console-address 127.0.0.1:0 "$dir/served" >server.log 2>&1 &
server=$!
for _ in $(seq 600); do (: >"/dev/tcp/${address/:/\/}") 2>/dev/null && break; sleep 0.1; done
./client "$address" >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
get one: one
get one/file: one/file
get two: two
get two/file: two/file
list "": ["one" "two"]
list "one/": []
list "one/file": []
list "two/": []
list "two/file": []
EXPECTED
