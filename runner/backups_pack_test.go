package runner

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// The person who reads it at three in the morning has no dprun.
func TestAPackSaysWhatToDo(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
	set := func(domain, activity, archive string, secure bool) packed {
		return packed{PackedSet: report.PackedSet{Set: "01X", Domain: domain, Activity: activity, Captured: at, Dir: "sets/" + domain + "/" + activity}, archive: archive, secure: secure}
	}
	orders := set("orders", "exports", "sets/orders/exports/orders-persisted.zip", false)
	orders.secrets = []string{"PasswordAlias db"}
	orders.manifest = backups.Manifest{Facts: json.RawMessage(`{"identity":"0123/gw1","model":"8441","firmware":"IDG.10.5.0.1","serial":"0123"}`), Withheld: []string{"cert:///a\x1b.pem"},
		Objects: []backups.Objects{{Domain: "orders", Up: []string{"WSGateway shop"}, Down: []string{"CryptoKey k: no file"}}}}
	p := packing{shelves: &shelves{plan: "nightly"}, request: PackRequest{Device: "gw1"}, at: at, sets: []packed{orders, set("", "all", "sets/whole-device/all/all.zip", false), set("", "boxes", "", true)},
		out: report.Pack{Missing: []report.Unpacked{{Domain: "billing", Activity: "exports", Why: "there is no good backup of it"}}}}
	readme := need.Value(p.readme(true))(t)
	last := 0
	for _, line := range []string{"  machine type   8441", "  firmware       IDG.10.5.0.1", "NOT HERE: billing exports: there is no good backup of it", "1. A gateway", "2. The secure backup", "secure-restore CREDENTIAL temporary:///restore/ validate",
		"3. Network", "network.txt has", "4. Keys, certificates and passwords", "5. Domain orders", "source-url temporary:///orders-persisted.zip", "overwrite-files on", "6. Or domains from the backup of all", "7. Look", "8. Save, in each domain", "9. Then let traffic come"} {
		i := strings.Index(readme[last:], line)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place:\n%s", line, readme)
		}
		last += i
	}
	objects := p.objects()
	for _, line := range []string{"WSGateway shop", "CryptoKey k: no file", "PasswordAlias db", "cert:///a?.pem"} {
		if !strings.Contains(objects, "\n    "+line+"\n") {
			t.Errorf("%q is not in\n%s", line, objects)
		}
	}
	p.sets = p.sets[2:]
	if alone := need.Value(p.readme(false))(t); !strings.Contains(alone, "There is no export of domain default here") || !strings.Contains(alone, "Model and firmware of the gateway are in none of the sets.") {
		t.Errorf("of a secure backup alone:\n%s", alone)
	}
}
