package dpsim_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestDomainStatusLacksWhatAFaultTakesAway(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault         dpsim.Fault
		there, absent string
	}{
		"no rows":            {dpsim.Fault{Kind: "no_rows"}, "<dp:status/>", "<Domain>"},
		"one row":            {dpsim.Fault{Kind: "row_missing", Domain: "app01"}, "<Domain>app02</Domain>", "app01"},
		"every domain's row": {dpsim.Fault{Kind: "row_missing"}, "<Domain>default</Domain>", "app0"},
		"the element":        {dpsim.Fault{Kind: "no_quiesce_state"}, "<CurrentCommand/><InterfaceState>", ""},
		"an unknown word":    {dpsim.Fault{Kind: "quiesce_state_word", Domain: "app02", Text: "dozing"}, "<QuiesceState>dozing</QuiesceState>", ""},
		"refused":            {dpsim.Fault{Kind: "refused", Operation: "get-status/DomainStatus"}, "</dp:timestamp><dp:result>Authentication failure", "<Domain>"},
		"another device":     {dpsim.Fault{Kind: "another_device"}, "<Domain>other01</Domain>", "app01"},
		"another part":       {dpsim.Fault{Kind: "wrong_part"}, "<dp:filestore/>", "dp:status"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{c.fault}})
			text := g.status("DomainStatus")
			want(t, text, c.there)
			if c.absent != "" {
				wantNot(t, text, c.absent)
			}
		})
	}
	_, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{{Kind: "no_quiesce_state", Domain: "app01", Count: 1}}})
	if n := strings.Count(g.status("DomainStatus"), "QuiesceState"); n != 2 {
		t.Errorf("%d rows have a QuiesceState, want those of default and app02", n)
	}
	if n := strings.Count(g.status("DomainStatus"), "QuiesceState"); n != 3 {
		t.Errorf("%d rows have a QuiesceState after the fault's count, want 3", n)
	}
}

func TestReadsAreRefusedClassByClass(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"get-config/APIConnectGatewayService", "get-config/GatewayPeering", "get-status/StandbyStatus2", "get-status/FilesystemStatus"} {
		_, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "refused", Operation: op}}})
		kind, class, _ := strings.Cut(op, "/")
		want(t, g.ask("app01", `<m:`+kind+` class="`+class+`"/>`), "</dp:timestamp><dp:result>Authentication failure")
		want(t, g.status("DomainStatus"), "<Domain>app01</Domain>")
	}
}

func TestAnotherDeviceAnswers(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{Serial: "7800163", Faults: []dpsim.Fault{{Kind: "another_device", Text: "4711"}}})
	want(t, g.status("FirmwareVersion3"), "<Serial>4711</Serial>")
	want(t, g.ask("default", `<m:get-config class="SystemSettings"/>`), ">4711</SerialNumber>", "<SystemName>another</SystemName>")
}

func TestABigStatusIsAsLargeAsAskedFor(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "big_status", After: "1MB"}}})
	text := g.status("DomainStatus")
	if len(text) < 1_000_000 || len(text) > 1_010_000 {
		t.Errorf("the reply has %d bytes", len(text))
	}
	want(t, text[:2000], "<Domain>app01</Domain>", "<a/><a/>")
}

func TestAnEndlessExportGoesOn(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{Faults: []dpsim.Fault{{Kind: "endless_file"}}})
	resp := need.Value(g.open("default", fmt.Sprintf(exportAll, true)))(t)
	defer resp.Body.Close()
	if n, err := io.CopyN(io.Discard, resp.Body, 20_000_000); err != nil {
		t.Errorf("ended after %d bytes: %v", n, err)
	}
}

func TestALateQuiesceBeginsLate(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{{Kind: "quiesce_late", Duration: "45s", Count: 1}}})
	quiesce(g, "app01")
	f.Clock().Advance(44 * time.Second)
	if s := g.state("app01"); s != "" {
		t.Errorf("state %q before", s)
	}
	want(t, g.act("DomainUnquiesce", "name", "app01"), "OK")
	f.Clock().Advance(2 * time.Second)
	if s := g.state("app01"); s != "quiescing" {
		t.Errorf("state %q when it begins", s)
	}
	f.Clock().Advance(10 * time.Second)
	if s := g.state("app01"); s != "quiesced" {
		t.Errorf("state %q in the end", s)
	}
}

func TestALateQuiesceOfADeviceMayHoldItsAnswer(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{{Kind: "quiesce_late", Duration: "85s", Hold: true}}})
	answered := make(chan string, 1)
	go func() {
		text, err := g.try("default", `<m:do-action><QuiesceDP><timeout>120</timeout></QuiesceDP></m:do-action>`)
		answered <- fmt.Sprint(text, err)
	}()
	for n := 0; n == 0; n, _ = f.Clock().Waiting() {
		time.Sleep(time.Millisecond)
	}
	f.Clock().Advance(84 * time.Second)
	select {
	case text := <-answered:
		t.Errorf("answered before: %s", text)
	default:
	}
	f.Clock().Advance(2 * time.Second)
	want(t, <-answered, "OK")
	for _, d := range []string{"app01", "app02"} {
		if s := g.state(d); s != "quiescing" {
			t.Errorf("%s: state %q", d, s)
		}
	}
}

func TestArchivesAreSpoiltAsAskedFor(t *testing.T) {
	t.Parallel()
	const backup = `<m:do-backup format="ZIP" persisted="true"><m:domain name="all-domains"/></m:do-backup>`
	text := func(t *testing.T, raw []byte, name string) string {
		t.Helper()
		z := need.Value(zip.NewReader(bytes.NewReader(raw), int64(len(raw))))(t)
		f := need.Value(z.Open(name))(t)
		b := need.Value(io.ReadAll(f))(t)
		return string(b)
	}
	fetch := func(t *testing.T, op string, fault dpsim.Fault) []byte {
		t.Helper()
		_, g := one(t, dpsim.Device{AppDomains: 2, Serial: "7800163", Faults: []dpsim.Fault{fault}})
		if op == "do-backup" {
			return g.file(g.ask("default", backup))
		}
		return g.export("app01", true)
	}
	for _, op := range []string{"do-export", "do-backup"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			if raw := fetch(t, op, dpsim.Fault{Kind: "archive_no_entries"}); len(raw) != 22 {
				t.Errorf("an archive without entries has %d bytes", len(raw))
			}
			if got := text(t, fetch(t, op, dpsim.Fault{Kind: "archive_empty_root"}), "export.xml"); got != `<datapower-configuration version="3"/>` {
				t.Errorf("export.xml is %.200s", got)
			}
			wantNot(t, text(t, fetch(t, op, dpsim.Fault{Kind: "archive_no_details"}), "export.xml"), "export-details")
			wantNot(t, text(t, fetch(t, op, dpsim.Fault{Kind: "archive_no_files"}), "export.xml"), "<files>")
			want(t, text(t, fetch(t, op, dpsim.Fault{Kind: "archive_other_serial", Text: "42"}), "export.xml"), "<serial-number>42</serial-number>")
			raw := fetch(t, op, dpsim.Fault{Kind: "archive_trailing"})
			if !bytes.HasSuffix(raw, bytes.Repeat([]byte{0x55}, 1000)) {
				t.Error("nothing follows the archive's end")
			}
		})
	}
	t.Run("domains", func(t *testing.T) {
		t.Parallel()
		want(t, text(t, fetch(t, "do-export", dpsim.Fault{Kind: "archive_other_domain"}), "export.xml"), `<configuration domain="other">`)
		want(t, text(t, fetch(t, "do-backup", dpsim.Fault{Kind: "archive_other_domain", Text: "else"}), "export.xml"), `<domain name="app01"/><domain name="else"/>`)
		lacks := text(t, fetch(t, "do-backup", dpsim.Fault{Kind: "archive_lacks_domain", Domain: "app01"}), "export.xml")
		want(t, lacks, `<domain name="app02"/>`)
		wantNot(t, lacks, "app01")
	})
}
