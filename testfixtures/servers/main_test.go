package servers_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers/results"
)

var update = flag.Bool("update", false, "write what was seen to results/results.json")

func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{"datapower": datapower.Plugin, "nfs": nfs.Plugin, "sftp": sftp.Plugin}
}

// TestMain serves the bundled plugins when the test binary is started as one.
func TestMain(m *testing.M) {
	pluginhost.ServeBundled(os.Args[1:], bundled())
	code := m.Run()
	if *update && code == 0 {
		if err := noted.write(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// noted collects what the tests of this run have seen.
var noted notes

type notes struct {
	mu  sync.Mutex
	all []results.Result
}

// note compares what was seen with what is committed.
func note(t *testing.T, r results.Result) {
	t.Helper()
	if *update {
		noted.mu.Lock()
		defer noted.mu.Unlock()
		noted.all = append(noted.all, r)
		return
	}
	committed := need.Value(results.Read())(t)
	i := slices.IndexFunc(committed, func(c results.Result) bool { return c.Server == r.Server })
	if i < 0 {
		t.Fatalf("results.json does not have %s: run `make servers-results`", r.Server)
	}
	// Another version of the server may be installed.
	diff := gocmp.Diff(committed[i], r, cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(results.Result{}, "Version", "Date"), cmpopts.IgnoreFields(results.SFTP{}, "Banner"))
	if diff != "" {
		t.Errorf("what was seen is not what results.json says; if it is right, run `make servers-results` (-committed +seen):\n%s", diff)
	}
}

// write puts what was seen in the place of what was committed for the same servers.
func (n *notes) write() error {
	all, err := results.Read()
	if err != nil {
		return err
	}
	for _, r := range n.all {
		all = slices.DeleteFunc(all, func(c results.Result) bool { return c.Server == r.Server })
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b results.Result) int {
		return cmp.Compare(strings.ToLower(a.Server), strings.ToLower(b.Server))
	})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(all); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("results", "results.json"), b.Bytes(), 0o644)
}
