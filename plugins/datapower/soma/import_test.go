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
	"github.com/dprun/dprun/testfixtures/need"
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
	got := need.Value(d.client(t).RehearseImport(testContext(t), "app01", bytes.NewReader(export), int64(len(export))))(t)
	if diff := cmp.Diff(&soma.ImportResults{
		Domain: "app01", DetectedErrors: "true", Applied: 1, Files: []soma.ImportedFile{{Name: "local:///a", Source: "local/a", Status: "missing-file"}}, Objects: []soma.ImportedObject{{Class: "Matching", Name: "m", Status: "pondered"}},
	}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	sent := <-d.requests
	want := `domain="app01"><dp:do-import source-type="ZIP" dry-run="true" overwrite-files="true" overwrite-objects="true" rewrite-local-ip="false"><dp:input-file>` + base64.StdEncoding.EncodeToString(export) + `</dp:input-file></dp:do-import></dp:request>`
	if !strings.Contains(sent, want) || int64(len(sent)) != length {
		t.Errorf("sent %d of %d bytes: %.300s", len(sent), length, sent)
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
			_, err := d.client(t).RehearseImport(testContext(t), "a", strings.NewReader("zip"), 3)
			wantClass(t, err, c.class, "do-import")
		})
	}
}

func TestAPackageThatCannotBeReadIsNotImported(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(`<dp:import/>`)))
	_, err := d.client(t).RehearseImport(testContext(t), "a", io.MultiReader(strings.NewReader("zip"), iotest.ErrReader(errors.New("no disk"))), 9)
	if err == nil || len(d.requests) > 0 {
		t.Errorf("%v, and %d requests", err, len(d.requests))
	}
	_, err = d.client(t).RehearseImport(testContext(t), "a", strings.NewReader("shorter than said"), 900)
	if err == nil || len(d.requests) > 0 {
		t.Errorf("%v, and %d requests", err, len(d.requests))
	}
}
