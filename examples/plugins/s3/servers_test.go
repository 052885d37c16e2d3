//go:build builtservers

package main

import (
	"debug/buildinfo"
	"encoding/json"
	"flag"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers/results"
)

// server is an S3 server that built/run.sh has compiled.
type server struct {
	name, module string
	// argv are the arguments; free gives addresses that nobody listens at.
	argv func(t *testing.T, addr, dir string) []string
	env  []string
}

var servers = []server{
	{
		name: "versitygw", module: "github.com/versity/versitygw", env: []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey},
		argv: func(t *testing.T, addr, dir string) []string {
			versions := dir + "-versions"
			need.Done(t, os.Mkdir(versions, 0o755))
			return []string{"--port", addr, "posix", "--versioning-dir", versions, dir}
		},
	},
	{
		name: "rclone", module: "github.com/rclone/rclone",
		argv: func(_ *testing.T, addr, dir string) []string {
			return []string{"serve", "s3", "--config", "/dev/null", "--cache-dir", dir + "-cache", "--addr", addr, "--auth-key", accessKey + "," + secretKey, dir}
		},
	},
	{
		name: "minio", module: "github.com/minio/minio", env: []string{"MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey},
		argv: func(t *testing.T, addr, dir string) []string {
			return []string{"server", "--address", addr, "--console-address", free(t), dir}
		},
	},
	{
		name: "seaweedfs", module: "github.com/seaweedfs/seaweedfs",
		argv: func(t *testing.T, addr, dir string) []string {
			config := dir + ".json"
			need.Done(t, os.WriteFile(config, []byte(`{"identities": [{"name": "dprun", "credentials": [{"accessKey": "`+accessKey+`", "secretKey": "`+secretKey+`"}], "actions": ["Admin"]}]}`), 0o600))
			argv := []string{"server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-dir", dir, "-master.volumeSizeLimitMB", "64", "-volume.max", "50", "-filer", "-s3", "-s3.config", config, "-s3.port", port(addr)}
			for _, name := range []string{"s3.port.grpc", "s3.port.iceberg", "s3.port.lance", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"} {
				argv = append(argv, "-"+name, port(free(t)))
			}
			return argv
		},
	},
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}

// inParts makes the large files of the suite go in parts.
var inParts = map[string]cty.Value{"multipart_above": cty.StringVal("16MiB"), "part_size": cty.StringVal("5MiB")}

// start runs a server until the test ends, with a bucket that is empty.
func (s server) start(t *testing.T) (endpoint string) {
	t.Helper()
	addr := free(t)
	dir := filepath.Join(t.TempDir(), "data")
	need.Done(t, os.Mkdir(dir, 0o755))
	d := need.Value(daemon.Start(t.Context(), daemon.Spec{
		Name: s.name, Argv: slices.Concat([]string{"/usr/bin/env"}, s.env, []string{filepath.Join(programs(t), s.name)}, s.argv(t, addr, dir)), Addr: addr, Log: dir + ".log",
	}))(t)
	t.Cleanup(func() { need.Done(t, d.Kill()) })
	c := dial(t, "http://"+addr, accessKey, secretKey, "us-east-1")
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := c.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{})
		if err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatal(err)
		}
	}
	return "http://" + addr
}

var update = flag.Bool("update", false, "write what was seen to testfixtures/servers/results/s3.json")

// programs is the directory of what built/run.sh has compiled.
func programs(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DPRUN_BUILT_SERVERS")
	if dir == "" {
		t.Fatal("DPRUN_BUILT_SERVERS names no directory: run `make test-servers`")
	}
	return dir
}

// TestBuiltServersKeepEveryRule runs the suite against each server, asks what
// else it does, and compares that with what is committed.
func TestBuiltServersKeepEveryRule(t *testing.T) {
	t.Parallel()
	seen := make([]results.S3, len(servers))
	t.Run("all", func(t *testing.T) {
		for i, s := range servers {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				r := results.S3{Server: s.name, Version: s.version(t), Date: time.Now().UTC().Format(time.DateOnly)}
				endpoint := s.start(t)
				for _, c := range conformance.Cases(conformance.Subject{
					Start: conformance.Program(filepath.Join(programs(t), "dprun-plugin-s3")), Kind: schema.KindDestination, Type: "s3", Config: settings(endpoint, inParts),
				}) {
					r.Of++
					if t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) }) {
						r.Kept++
					}
				}
				r.Seen = s.ask(t)
				seen[i] = r
			})
		}
	})
	if *update && !t.Failed() {
		text := need.Value(json.MarshalIndent(seen, "", "  "))(t)
		need.Done(t, os.WriteFile("../../../testfixtures/servers/results/s3.json", append(text, '\n'), 0o644))
		return
	}
	for i, c := range need.Value(results.ReadS3())(t) {
		c.Date, c.Kept, c.Of = seen[i].Date, seen[i].Kept, seen[i].Of // there may be more rules by now
		if !reflect.DeepEqual(c, seen[i]) {
			t.Errorf("what was seen of %s is not what s3.json says; if it is right, run `make servers-results`:\nseen      %+v\ncommitted %+v", c.Server, seen[i], c)
		}
	}
}

// version reads which version of its module a server was built from.
func (s server) version(t *testing.T) string {
	t.Helper()
	info := need.Value(buildinfo.ReadFile(filepath.Join(programs(t), s.name)))(t)
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == s.module {
			return m.Version
		}
	}
	t.Fatalf("%s was built without %s", s.name, s.module)
	return ""
}

// TestBuiltServersLockWhatIsStored: a lock is there after a store, or the store
// has failed, and what is locked is not deleted.
func TestBuiltServersLockWhatIsStored(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			endpoint := s.start(t)
			c := small(endpoint)
			c.Above, c.Bucket, c.Retention = 5<<20, locking, &retention{Mode: "GOVERNANCE", Period: 24 * time.Hour}
			if err := dial(t, endpoint, accessKey, secretKey, "us-east-1").MakeBucket(t.Context(), locking, minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
				c.Bucket = "backups" // it can lock nothing
			}
			d := open(t, c)
			_, err := d.Check(t.Context())
			if c.Bucket != locking {
				wantFailure(t, err, failure.Precondition, failure.Unsupported)
				_, err = d.Store(t.Context(), request(t, "x", "content"), nil)
				wantFailure(t, err, failure.Precondition, failure.Unsupported)
				return
			}
			need.Done(t, err)
			for name, content := range map[string]string{"one": "content", "parts": strings.Repeat("content", 1<<20)} {
				r := request(t, name, content)
				need.Value(d.Store(t.Context(), r, nil))(t)
				err := d.Delete(t.Context(), name)
				wantFailure(t, err, failure.Denied, failure.NoAccess)
				if err == nil || !strings.Contains(err.Error(), "locked until") {
					t.Errorf("it is not said that it is locked: %v", err)
				}
				again, err := d.Store(t.Context(), r, nil)
				if err != nil || !again.Existed {
					t.Errorf("after that it is not there as it was: %+v, %v", again, err)
				}
			}
			a := &asker{T: t, Core: dial(t, endpoint, accessKey, secretKey, "us-east-1")}
			need.Value(a.put(locking, "unlocked", []byte("content"), minio.PutObjectOptions{}))(t)
			_, err = d.Store(t.Context(), request(t, "unlocked", "content"), nil)
			wantFailure(t, err, failure.Precondition, failure.Unsupported)
			if objects := need.Value(d.List(t.Context(), ""))(t); len(objects) != 3 {
				t.Errorf("there is %+v", objects)
			}
		})
	}
}
