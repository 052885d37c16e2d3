package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

func TestATaskThatCannotWorkOnItsDeviceEndsBeforeThePlanGate(t *testing.T) {
	t.Parallel()
	failed := func(r failure.Reason) event.Event {
		return event.Event{Failure: failure.New(failure.Precondition, r, "no")}
	}
	free := func(n int64) event.Event {
		return event.Event{Result: &event.Result{Check: &sdk.CheckReport{Space: sdk.Space{FreeTemporary: n}, Variants: []string{sdk.VariantSecureBackup}}}}
	}
	for name, c := range map[string]struct {
		answer event.Event
		whole  status.Code // last code of the task for the whole device
		other  status.Code // and of the task for a domain, beside it
	}{
		"wrong mode":          {failed(failure.NotDRMode), status.DeviceNotInDRMode, status.SkippedBecauseErrorPolicy},
		"a container":         {failed(failure.Unsupported), status.DeviceNotInDRMode, status.SkippedBecauseErrorPolicy},
		"no certificate":      {failed(failure.NoCertificate), status.CertDoesntExistOnDevice, status.SkippedBecauseErrorPolicy},
		"certificate expired": {failed(failure.CertificateDown), status.CertNotUsableOnDevice, status.SkippedBecauseErrorPolicy},
		"no room":             {free(149), status.NotEnoughFreeSpaceOnDevice, status.SkippedBecauseErrorPolicy},
		"room":                {free(150), status.WaitingForPreValidation, status.WaitingForPreValidation},
		"room unknown":        {free(-1), status.WaitingForPreValidation, status.WaitingForPreValidation},
		"may pass by then":    {failed(failure.ForeignBackup), status.WaitingForPreValidation, status.WaitingForPreValidation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := NewRun(RunSpec{ID: "r", ErrorPolicy: Halt, Devices: map[string]Device{"d": {}}, PreScript: &Script{Address: "exec.gate"},
				LastSize: map[string]int64{"whole/d": 100},
				Activities: []Activity{
					{Name: "whole", Type: "secure_backup", Scope: schema.ScopeDevice, Devices: []string{"d"}},
					{Name: "each", Type: "export_domain", Scope: schema.ScopeDomain, Devices: []string{"d"}, Domains: pattern.Set{{Match: []string{"*"}}}},
				}})
			last := map[string]status.Code{}
			apply := func(e event.Event) {
				e.Time = epoch.Add(time.Second)
				for _, s := range r.Apply(e) {
					last[s.Task] = status.Code(s.Code)
				}
			}
			apply(event.Event{Kind: event.RunStarted})
			apply(event.Event{Kind: event.Finished, Action: "inspect/d/1", Result: &event.Result{Inspection: &sdk.Inspection{Domains: []sdk.Domain{{Name: "a"}}}}})
			if d := cmp.Diff([]string{"whole/d validate/1"}, ids(r.Pending())); d != "" {
				t.Fatalf("pending after the inspection (-want +got):\n%s", d)
			}
			e := c.answer
			e.Kind, e.Task, e.Action = event.Finished, "whole/d", "validate/1"
			apply(e)
			if last["whole/d"] != c.whole || last["each/d/a"] != c.other {
				t.Errorf("the tasks stand at %s and %s, want %s and %s", last["whole/d"], last["each/d/a"], c.whole, c.other)
			}
		})
	}
}

func TestTheRoomOnADeviceIsMeasuredAgainstItsOwnLimit(t *testing.T) {
	t.Parallel()
	export, secure := []string{sdk.VariantPersisted}, []string{sdk.VariantSecureBackup}
	for name, c := range map[string]struct {
		report sdk.CheckReport
		says   []string // empty: there is room
	}{
		"room":                             {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 150, FreeInternal: 150, TotalInternal: 200}, Variants: export}, nil},
		"above the limit":                  {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 950, FreeInternal: -1}, KeepTemporary: 800, Variants: secure}, nil},
		"would cross the limit":            {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 949, FreeInternal: -1}, KeepTemporary: 800, Variants: secure}, []string{"949 B free in temporary:, of which 800 B must stay free", "about 150 B"}},
		"below the limit, nothing to make": {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 700, FreeInternal: -1}, KeepTemporary: 800, Variants: secure}, []string{"must stay free"}},
		"a larger estimate":                {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 950, FreeInternal: -1}, KeepTemporary: 800, Estimate: 151, Variants: secure}, []string{"about 151 B"}},
		"internal storage":                 {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 950, FreeInternal: 149, TotalInternal: 200}, Variants: export}, []string{"149 B free in its internal storage"}},
		"not of a secure backup":           {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 950, FreeInternal: 149, TotalInternal: 200}, Variants: secure}, nil},
		"leftovers":                        {sdk.CheckReport{Space: sdk.Space{FreeTemporary: 1, FreeInternal: -1}, Variants: secure, Leftovers: []string{"export.zip (1 B)", "dprun-sb (2 B)"}}, []string{"it still holds export.zip (1 B) and dprun-sb (2 B); remove"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := NewTask(TaskSpec{Device: "gw", LastSize: 100}).shortOnDevice(&c.report)
			if (got == "") != (c.says == nil) {
				t.Errorf("got %q", got)
			}
			for _, s := range c.says {
				if !strings.Contains(got, s) {
					t.Errorf("%q does not say %q", got, s)
				}
			}
		})
	}
}
