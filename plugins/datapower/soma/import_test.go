package soma_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/soma"
)

func TestARehearsalSendsThePackageWithEverySwitch(t *testing.T) {
	t.Parallel()
	const results = `<dp:import><import-results detected-errors="true" domain="app01"><exec-script-results><cfg-result class="Matching" name="m" status="SUCCESS"/></exec-script-results><imported-objects><object class="Matching" name="m" status="pondered"/></imported-objects><imported-files><file name="local:///a" src="local/a" status="missing-file"/></imported-files></import-results></dp:import>`
	var length int64
	d := newDevice(t, func(w http.ResponseWriter, r *http.Request) {
		length = r.ContentLength
		_, _ = io.WriteString(w, reply(stamp+results))
	})
	export := bytes.Repeat([]byte("dprun"), 100_001)
	got, sent, err := d.client(t).Import(testContext(t), soma.ImportRequest{Domain: "app01", Export: bytes.NewReader(export), Size: int64(len(export)), DryRun: true})
	if err != nil || !sent {
		t.Fatalf("sent %t, %v", sent, err)
	}
	if diff := cmp.Diff(&soma.ImportResults{
		Domain: "app01", DetectedErrors: "true", Configured: []soma.ImportedObject{{Class: "Matching", Name: "m", Status: "SUCCESS"}}, Files: []soma.ImportedFile{{Name: "local:///a", Source: "local/a", Status: "missing-file"}}, Objects: []soma.ImportedObject{{Class: "Matching", Name: "m", Status: "pondered"}},
	}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	message := <-d.requests
	want := `domain="app01"><dp:do-import source-type="ZIP" dry-run="true" overwrite-files="true" overwrite-objects="true" rewrite-local-ip="false"><dp:input-file>` + base64.StdEncoding.EncodeToString(export) + `</dp:input-file></dp:do-import></dp:request>`
	if !strings.Contains(message, want) || int64(len(message)) != length {
		t.Errorf("sent %d of %d bytes: %.300s", len(message), length, message)
	}
}

func TestResultsThatTellNothingAreNoRehearsal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		class  soma.Class
	}{
		"empty":       {`<dp:import><import-results domain="a"/></dp:import>`, soma.BadReply},
		"no results":  {`<dp:import/>`, soma.BadReply},
		"no import":   {`<dp:status/>`, soma.BadReply},
		"only OK":     {`<dp:result>OK</dp:result>`, soma.BadReply},
		"refused":     {stamp + `<dp:result>Authentication failure</dp:result>`, soma.Refused},
		"import fail": {stamp + `<dp:result><error-log><log-event level="error">Import: File system full.</log-event></error-log></dp:result>`, soma.Result},
		"both":        {stamp + `<dp:result>ERROR</dp:result><dp:import><import-results><imported-objects><object class="A" name="b" status="new"/></imported-objects></import-results></dp:import>`, soma.Result},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, says(reply(c.answer)))
			_, _, err := d.client(t).Import(testContext(t), soma.ImportRequest{Domain: "a", Export: strings.NewReader("zip"), Size: 3, DryRun: true})
			wantClass(t, err, c.class, "do-import")
		})
	}
}

func TestAPackageThatCannotBeReadIsNotImported(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(`<dp:import/>`)))
	_, _, err := d.client(t).Import(testContext(t), soma.ImportRequest{Domain: "a", Export: io.MultiReader(strings.NewReader("zip"), iotest.ErrReader(errors.New("no disk"))), Size: 9})
	if err == nil || len(d.requests) > 0 {
		t.Errorf("%v, and %d requests", err, len(d.requests))
	}
	_, _, err = d.client(t).Import(testContext(t), soma.ImportRequest{Domain: "a", Export: strings.NewReader("shorter than said"), Size: 900})
	if err == nil || len(d.requests) > 0 {
		t.Errorf("%v, and %d requests", err, len(d.requests))
	}
}
