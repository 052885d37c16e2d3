package servers_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers"
	"github.com/dprun/dprun/testfixtures/servers/results"
)

// testLimit bounds what one server is given, on a machine that is busy too.
const testLimit = 3 * time.Minute

// sizes are around what servers and clients cut requests at.
var sizes = []int{1, 32<<10 + 1, 64<<10 - 1, 64<<10 + 1, 255<<10 + 1, 300_000, 2_000_000, 20_000_000}

func TestPackagedServersStoreWhatDprunVerifies(t *testing.T) {
	t.Parallel()
	for _, k := range servers.Packaged() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			note(t, serverTest(t, k))
		})
	}
}

func TestGaneshaStoresWhatDprunVerifies(t *testing.T) {
	t.Parallel()
	version := need.Value(servers.PackageVersion("nfs-ganesha"))(t)
	s := ganesha.Start(t)
	r := results.Result{Server: "NFS-Ganesha", Version: version, Date: today(), Protocol: "nfs", How: "VFS back end"}
	store(t, &r, nfs.Plugin(), map[string]cty.Value{
		"server": cty.StringVal(s.Host), "export": cty.StringVal(s.Export),
		"nfs_port": cty.NumberIntVal(int64(s.NFSPort)), "mount_port": cty.NumberIntVal(int64(s.MountPort)),
	}, s.ExportDir)
	note(t, r)
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// serverTest starts a server and tells what is seen of it.
func serverTest(t *testing.T, k servers.Kind) results.Result {
	t.Helper()
	version := need.Value(k.Version())(t)
	s := k.Start(t)
	r := results.Result{Server: k.Name, Version: version, Date: today(), Protocol: "sftp", How: k.How, Set: k.Set}
	plugin := sftp.Plugin()
	arguments := map[string]cty.Value{}
	if k.Protocol == "nfs" {
		r.Protocol, plugin = "nfs", nfs.Plugin()
		arguments["server"], arguments["export"] = cty.StringVal(s.Host), cty.StringVal(s.Directory)
		arguments["nfs_port"], arguments["mount_port"] = cty.NumberIntVal(int64(s.Port)), cty.NumberIntVal(int64(s.Port))
	} else {
		r.SFTP = seen(t, s)
		key := need.Value(os.ReadFile(s.PrivateKey))(t)
		arguments["host"], arguments["port"], arguments["username"] = cty.StringVal(s.Host), cty.NumberIntVal(int64(s.Port)), cty.StringVal(s.User)
		arguments["private_key"], arguments["known_hosts"] = cty.StringVal(string(key)), cty.StringVal(s.KnownHosts)
		arguments["directory"] = cty.StringVal(s.Directory)
	}
	for name, text := range k.Set {
		arguments[name] = cty.StringVal(text)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			arguments[name] = cty.NumberIntVal(n)
		}
	}
	store(t, &r, plugin, arguments, s.Dir)
	return r
}

// store stores through the plugin, over gRPC, and notes what it says and what
// stands in the served directory.
func store(t *testing.T, r *results.Result, p sdk.Plugin, arguments map[string]cty.Value, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	c, stop, err := conformance.Serve(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	kind := p.Schema().Destinations[0]
	config := need.Value(kind.Config.ApplyDefaults(cty.ObjectVal(arguments)))(t)
	d := need.Value(c.ConfigureDestination(ctx, kind.Name, config))(t)
	check, err := d.Check(ctx)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	r.SpaceKnown = check.Free >= 0
	r.Of, r.Durable, r.ModeKept = len(sizes), true, true
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, size := range sizes {
		request := staged(t, fmt.Sprintf("set/%d", i), size)
		wg.Go(func() {
			report, err := d.Store(ctx, request, nil)
			if err != nil {
				t.Errorf("store %d bytes: %v", size, err)
				return
			}
			content, late, err := delivered(ctx, filepath.Join(dir, request.Path))
			if err != nil {
				t.Error(err)
				return
			}
			st, err := os.Stat(filepath.Join(dir, request.Path))
			if err != nil {
				t.Error(err)
				return
			}
			sum := sha256.Sum256(content)
			if hex.EncodeToString(sum[:]) != request.SHA256 || report.Verified != sdk.VerifyReadBack {
				t.Errorf("store %d bytes: %d stand there, verified %q", size, len(content), report.Verified)
				return
			}
			kept := st.Mode().Perm() == 0o600 // what the plugins ask for unless told otherwise
			if report.ModeKept != kept {
				t.Errorf("store %d bytes: the plugin says that the mode was kept: %v; it is %s", size, report.ModeKept, st.Mode())
			}
			mu.Lock()
			defer mu.Unlock()
			r.Stored++
			r.Late = r.Late || late
			r.Durable = r.Durable && report.Durable
			r.ModeKept = r.ModeKept && kept
		})
	}
	wg.Wait()
	if got := hashes(t, dir); len(got) != r.Stored {
		t.Errorf("%d were stored, and there stand %v", r.Stored, got)
	}
}

// delivered reads a stored file. A server may say that it has it on stable
// storage while it is in a cache: the file is late then.
func delivered(ctx context.Context, name string) (content []byte, late bool, err error) {
	for {
		content, err = os.ReadFile(name)
		if !errors.Is(err, os.ErrNotExist) {
			return content, late, err
		}
		late = true
		select {
		case <-ctx.Done():
			return nil, late, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// staged makes a local file and the request to store it.
func staged(t *testing.T, name string, size int) sdk.StoreRequest {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(data)
	local := filepath.Join(t.TempDir(), "staged")
	need.Done(t, os.WriteFile(local, data, 0o600))
	sum := sha256.Sum256(data)
	return sdk.StoreRequest{
		Source: local, Path: name, Size: int64(size), SHA256: hex.EncodeToString(sum[:]),
		Verify: sdk.VerifyReadBack, Owner: "run-1/task-1",
	}
}

// hashes lists every file below a directory with the SHA-256 of its content.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		sum := sha256.Sum256(b)
		out[rel] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
