#!/usr/bin/env bash
# versitygw: a PUT that it refuses with 400 has replaced the object.
#
# Guess: an answer of 400 means that nothing was stored, and that an object of
#   that name is what it was.
# Seen:  PUT with a retention, in a bucket without object lock, is answered 400
#   InvalidRequest, and the content is there, without the retention: under a
#   new name, and in place of an older object. A second try, without the retention
#   and with If-None-Match, then ends with 412 as if somebody else had been there.
# Version: github.com/versity/versitygw v1.8.0 (posix); asked by aws-sdk-go-v2's
#   service/s3 v1.114.10. Building it takes minutes.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
mkdir served
GOBIN=$dir go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 2>log || { cat log; exit 1; }

cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

var (
	ctx    = context.Background()
	bucket = aws.String("bucket")
	client *s3.Client
)

func main() {
	client = s3.New(s3.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://" + os.Args[1]),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider("somebody", "something", ""),
	})
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	fmt.Println("make a bucket:", code(err))
	fmt.Println("old, plain:", put("old", "first", func(*s3.PutObjectInput) {}))
	for _, key := range []string{"old", "new"} {
		fmt.Printf("%s, with a retention: %s\n", key, put(key, "second", func(in *s3.PutObjectInput) {
			in.ObjectLockMode = types.ObjectLockModeGovernance
			in.ObjectLockRetainUntilDate = aws.Time(time.Now().Add(time.Hour))
		}))
		got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
		if err != nil {
			fmt.Printf("%s holds: %s\n", key, code(err))
			continue
		}
		content, err := io.ReadAll(got.Body)
		fmt.Printf("%s holds: %q, retention %q, %s\n", key, content, got.ObjectLockMode, code(err))
	}
	fmt.Println("new, plain, if there is none:", put("new", "second", func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }))
}

func put(key, content string, change func(*s3.PutObjectInput)) string {
	in := &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(content)}
	change(in)
	_, err := client.PutObject(ctx, in)
	return code(err)
}

func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}
GO
go mod init example.com/finding 2>log && go get github.com/aws/aws-sdk-go-v2/service/s3@v1.114.10 github.com/aws/aws-sdk-go-v2/credentials@v1.21.0 2>>log || { cat log; exit 1; }
go build -o client . 2>>log || { cat log; exit 1; }
address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ROOT_ACCESS_KEY=somebody ROOT_SECRET_KEY=something ./versitygw --port "$address" posix "$dir/served" >server.log 2>&1 &
server=$!
for _ in $(seq 600); do (: >"/dev/tcp/${address/:/\/}") 2>/dev/null && break; sleep 0.1; done
./client "$address" >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
make a bucket: ok
old, plain: ok
old, with a retention: InvalidRequest
old holds: "second", retention "", ok
new, with a retention: InvalidRequest
new holds: "second", retention "", ok
new, plain, if there is none: PreconditionFailed
EXPECTED
