package runner

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
)

// The shown commands can be copied as they are into two shells: the gateway's,
// and one without DPRUN_STATE_DIR.
func TestWhatIsOwedSaysWhatToType(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	at := filepath.Join(home, ".local", "state", "dprun")
	for name, c := range map[string]struct {
		dir  string
		owed pending.Obligation
		want report.Owed
	}{
		"a domain": {at, pending.Obligation{Kind: pending.Unquiesce, Device: "gw", Domain: "app"}, report.Owed{
			DeviceCommands: []string{"configure terminal", "domain-unquiesce app", "show domains"}, Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack gw"}},
		"a device, elsewhere": {"/var/lib/d prun", pending.Obligation{Kind: pending.Unquiesce, Device: "it's gw"}, report.Owed{
			DeviceCommands: []string{"configure terminal", "appliance-unquiesce", "show domains"},
			Commands:       []string{"export DPRUN_STATE_DIR='/var/lib/d prun'", "dprun recover"}, Acknowledge: `dprun recover --ack 'it'\''s gw'`}},
		"files": {at, pending.Obligation{Kind: pending.Discard, Device: "gw", Token: "temporary:///dprun-sb/r1"}, report.Owed{
			DeviceCommands: []string{"configure terminal", "rmdir temporary:///dprun-sb/r1"}, Note: "answer y to rmdir", Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack gw"}},
		"a restore through a policy": {at, pending.Obligation{Kind: pending.Restore, Device: "gw", Domain: "app",
			Endpoint: json.RawMessage(`{"set":"01SET","way_back_set":"01WAY","policy":"/s/restores/01R/policy.xml","variables":{"host":"b c","a":"1"},"rewrite_local_ip":true}`)}, report.Owed{
			Note: "to go back to what was there before: dprun restore PLAN 01WAY --device gw --domain app --unsaved; to restore again: dprun restore PLAN 01SET --device gw --domain app --unsaved " +
				"--policy /s/restores/01R/policy.xml --policy-var a=VALUE --policy-var host=VALUE --rewrite-local-ip; if it is as it should be and only not saved, save it on the gateway (switch domain app, configure terminal, write memory)",
			Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack gw"}},
		"a plan's script": {at, pending.Obligation{Key: pending.Key{Run: "01R"}, Kind: pending.PostScript, Script: "exec.tell"}, report.Owed{
			Note: "if it cannot run any more, do by hand what script exec.tell does for the whole run", Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack 01R"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Runner{Options: Options{StateDir: c.dir, Environ: []string{"HOME=" + home, "DPRUN_STATE_DIR=" + c.dir}}}
			var got report.Owed
			r.byHand(&got, c.owed)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
