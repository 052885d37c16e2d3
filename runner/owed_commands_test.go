package runner

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/pending"
)

// What is shown may be copied into two shells as it stands: the gateway's and
// one in which DPRUN_STATE_DIR is not set.
func TestWhatIsOwedSaysWhatToType(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	at := filepath.Join(home, ".local", "state", "dprun")
	for name, c := range map[string]struct {
		dir  string
		owed pending.Obligation
		want []string
	}{
		"a domain": {at, pending.Obligation{Kind: pending.Unquiesce, Device: "gw", Domain: "app"}, []string{
			"on gw: configure terminal; domain-unquiesce app; show domains",
			"# only if dprun cannot reach it, and all that it owes is done by hand: dprun recover --ack gw", "dprun recover"}},
		"a device, elsewhere": {"/var/lib/d prun", pending.Obligation{Kind: pending.Unquiesce, Device: "it's gw"}, []string{
			"on it's gw: configure terminal; appliance-unquiesce; show domains", "export DPRUN_STATE_DIR='/var/lib/d prun'",
			`# only if dprun cannot reach it, and all that it owes is done by hand: dprun recover --ack 'it'\''s gw'`, "dprun recover"}},
		"files": {at, pending.Obligation{Kind: pending.Discard, Device: "gw", Token: "temporary:///dprun-sb/r1"}, []string{
			"on gw: configure terminal; rmdir temporary:///dprun-sb/r1, and answer y",
			"# only if dprun cannot reach it, and all that it owes is done by hand: dprun recover --ack gw", "dprun recover"}},
		"a plan's script": {at, pending.Obligation{Key: pending.Key{Run: "01R"}, Kind: pending.PostScript, Script: "exec.tell"}, []string{
			"by hand, if it cannot be run any more: what script exec.tell does for the whole run",
			"# only if dprun cannot run it, and what it does is done by hand: dprun recover --ack 01R", "dprun recover"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Runner{Options: Options{StateDir: c.dir, Environ: []string{"HOME=" + home, "DPRUN_STATE_DIR=" + c.dir}}}
			if d := cmp.Diff(c.want, r.commands(c.owed)); d != "" {
				t.Error(d)
			}
		})
	}
}
