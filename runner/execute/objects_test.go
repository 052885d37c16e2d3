package execute

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// patient tells which of its objects are up, or why it does not.
type patient struct {
	sdk.Source
	asked *[]string
	err   error
}

func (p patient) Health(_ context.Context, r sdk.HealthRequest) (*sdk.HealthReport, error) {
	*p.asked = append(*p.asked, r.Target.Domain)
	if p.err != nil {
		return nil, p.err
	}
	of := func(class, name string, serving, up, disabled bool, detail string) sdk.ObjectHealth {
		return sdk.ObjectHealth{Domain: "orders", Class: class, Name: name, Serving: serving, Up: up, Disabled: disabled, Detail: detail}
	}
	return &sdk.HealthReport{Objects: []sdk.ObjectHealth{
		of("WSGateway", "b", true, true, false, ""), of("HTTPSourceProtocolHandler", "a", true, true, false, ""), of("WSGateway", "off", true, false, true, ""),
		of("WSGateway", "c", true, false, false, "bind failed"), of("CryptoKey", "k", false, false, false, "")},
		Unread: []sdk.UnreadDomain{{Domain: "other", Failure: failure.New(failure.Denied, failure.NoAccess, "not allowed")}}}, nil
}

// TestAManifestSaysWhatWasUp: a domain is asked once; of one that was quiesced it is what was read before,
// and a backup fails for nothing that is not told.
func TestAManifestSaysWhatWasUp(t *testing.T) {
	t.Parallel()
	read := []backups.Objects{
		{Domain: "orders", Up: []string{"HTTPSourceProtocolHandler a", "WSGateway b"}, Down: []string{"CryptoKey k", "WSGateway c: bind failed"}, Disabled: []string{"WSGateway off"}},
		{Domain: "other", Unread: "not allowed"},
	}
	for what, c := range map[string]struct {
		domain  string
		quiesce lifecycle.QuiesceMode
		before  bool // it was read before its quiesce
		err     error
		asked   int
		want    []backups.Objects
	}{
		"a domain":                      {domain: "orders", asked: 1, want: read},
		"a domain that was quiesced":    {domain: "orders", quiesce: lifecycle.QuiesceDomain, before: true, want: read},
		"a device that was quiesced":    {quiesce: lifecycle.QuiesceDevice, before: true, want: read},
		"a device":                      {},
		"a quiesced one was not read":   {domain: "orders", quiesce: lifecycle.QuiesceDomain, want: []backups.Objects{{Domain: "orders", Unread: "they were not read before the domain was quiesced"}}},
		"the account may not read them": {domain: "orders", err: failure.New(failure.Denied, failure.NoAccess, "it may not"), asked: 1, want: []backups.Objects{{Domain: "orders", Unread: "device gw: it may not"}}},
	} {
		var asked []string
		s := patient{asked: &asked, err: c.err}
		x := New(Options{Clock: clock.System{}, Redact: &redact.Redactor{}})
		j := engine.Job{Action: lifecycle.Action{Device: "gw"}, Task: &lifecycle.TaskSpec{ID: "t", Device: "gw", Domain: c.domain, Activity: lifecycle.Activity{Quiesce: c.quiesce}}}
		if c.before {
			r, _ := s.Health(t.Context(), sdk.HealthRequest{})
			asked = nil
			x.keepObjects("t", objectsOf(r))
		}
		if diff := cmp.Diff(c.want, x.objects(t.Context(), j, s)); diff != "" || len(asked) != c.asked {
			t.Errorf("%s: asked %d times; (-want +got):\n%s", what, len(asked), diff)
		}
		if len(x.before) != 0 {
			t.Errorf("%s: what was read before is kept for ever", what)
		}
	}
}
