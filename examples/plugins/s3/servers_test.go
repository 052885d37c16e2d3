//go:build builtservers

package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/need"
)

// server is an S3 server that built/run.sh has compiled.
type server struct {
	name string
	argv func(program, addr, dir string) []string
	env  []string
}

var servers = []server{
	{name: "versitygw", env: []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}, argv: func(program, addr, dir string) []string {
		return []string{program, "--port", addr, "posix", dir}
	}},
	{name: "rclone", argv: func(program, addr, dir string) []string {
		return []string{program, "serve", "s3", "--config", "/dev/null", "--cache-dir", dir + "-cache", "--addr", addr, "--auth-key", accessKey + "," + secretKey, dir}
	}},
}

// inParts makes the large files of the suite go in parts.
var inParts = map[string]cty.Value{"multipart_above": cty.StringVal("16MiB"), "part_size": cty.StringVal("5MiB")}

// start runs a server until the test ends, with a bucket that is empty.
func (s server) start(t *testing.T, lock bool) (endpoint string) {
	t.Helper()
	programs := os.Getenv("DPRUN_BUILT_SERVERS")
	if programs == "" {
		t.Fatal("DPRUN_BUILT_SERVERS names no directory: run `make test-servers`")
	}
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	addr := l.Addr().String()
	need.Done(t, l.Close())
	dir := filepath.Join(t.TempDir(), "data")
	need.Done(t, os.Mkdir(dir, 0o755))
	d := need.Value(daemon.Start(t.Context(), daemon.Spec{
		Name: s.name, Argv: slices.Concat([]string{"/usr/bin/env"}, s.env, s.argv(filepath.Join(programs, s.name), addr, dir)), Addr: addr, Log: dir + ".log",
	}))(t)
	t.Cleanup(func() { need.Done(t, d.Kill()) })
	c := need.Value(minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath}))(t)
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := c.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{ObjectLocking: lock})
		if err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatal(err)
		}
	}
	return "http://" + addr
}

func TestBuiltServersKeepEveryRule(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			endpoint := s.start(t, false)
			program := filepath.Join(os.Getenv("DPRUN_BUILT_SERVERS"), "dprun-plugin-s3")
			for _, c := range conformance.Cases(conformance.Subject{
				Start: conformance.Program(program), Kind: schema.KindDestination, Type: "s3", Config: settings(endpoint, inParts),
			}) {
				t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
			}
		})
	}
}
