package journal

import (
	"github.com/dprun/dprun/testfixtures/need"

	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
)

func owe(task, id, device string) Obligation {
	return Obligation{Obligation: pending.Obligation{Key: pending.Key{Run: "R", Task: task, ID: id}, Kind: pending.Unquiesce, Device: device, Since: noon}}
}

// rows returns obligations in the form in which they are entered.
func rows(os ...Obligation) (out []pending.Obligation) {
	for _, o := range os {
		out = append(out, o.Obligation)
	}
	return out
}

func owedIDs(t *testing.T, j *Journal) []string {
	t.Helper()
	owed, err := j.Owed(t.Context())
	need.Done(t, err)
	var out []string
	for _, o := range owed {
		out = append(out, o.String())
	}
	return out
}

func TestAnObligationIsOwedUntilItIsPaid(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	first := Obligation{Obligation: pending.Obligation{Key: pending.Key{Run: "R", Task: "t", ID: "discard/secure_backup"}, Kind: pending.Discard, Device: "fra", Identity: "SN1", Domain: "d",
		Token: "temporary:///x", Script: "s", Endpoint: json.RawMessage(`{"type":"datapower","password":{"secret_env":"P"}}`), Since: noon, Plan: "nightly", DueBack: noon.Add(time.Hour),
		Debt: &lifecycle.DebtSpec{Device: "fra", Domains: []string{"d"}, QuiescedAt: noon, Unquiesce: time.Minute}}}
	second := owe("", "plan_post_script", "")
	second.Since = noon.Add(time.Second)
	appendTo(t, j, "R", Batch{Owe: rows(second, first)})
	owed, err := j.Owed(t.Context())
	need.Done(t, err)
	if d := cmp.Diff([]Obligation{first, second}, owed); d != "" {
		t.Error(d)
	}

	need.Done(t, j.NoteAttempt(t.Context(), first.Key, "no route", noon.Add(time.Minute)))
	need.Done(t, j.NoteAttempt(t.Context(), first.Key, "refused", noon.Add(2*time.Minute)))
	need.Done(t, j.NoteAttempt(t.Context(), first.Key, "no answer", time.Time{})) // by a process that does not try again
	appendTo(t, j, "R", Batch{Time: noon.Add(time.Hour), Pay: []pending.Key{second.Key}})
	owed, err = j.Owed(t.Context())
	need.Done(t, err)
	first.Attempts, first.LastError, first.NextTry = 3, "no answer", noon.Add(2*time.Minute)
	if d := cmp.Diff([]Obligation{first}, owed); d != "" {
		t.Error(d)
	}

	need.Done(t, j.Pay(t.Context(), noon.Add(2*time.Hour), first.Key, second.Key))
	if got := owedIDs(t, j); got != nil {
		t.Errorf("owed: %v", got)
	}
	first.PaidAt, second.PaidAt = noon.Add(2*time.Hour), noon.Add(time.Hour) // settled once
	all, err := j.Obligations(t.Context(), "R")
	need.Done(t, err)
	if d := cmp.Diff([]Obligation{first, second}, all); d != "" {
		t.Error(d)
	}
	if err := j.NoteAttempt(t.Context(), first.Key, "x", noon); !errors.Is(err, ErrNotFound) {
		t.Errorf("NoteAttempt at what is paid = %v", err)
	}
}

func TestWhatIsOwedAgainIsOwed(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	o := owe("t", "unquiesce", "fra")
	appendTo(t, j, "R", Batch{Owe: rows(o)})
	later := o
	later.Since, later.Endpoint = noon.Add(time.Hour), json.RawMessage(`{"n":2}`)
	appendTo(t, j, "R", Batch{Owe: rows(later)}) // open already: since the first time
	owed, err := j.Owed(t.Context())
	need.Done(t, err)
	if len(owed) != 1 || !owed[0].Since.Equal(noon) || string(owed[0].Endpoint) != `{"n":2}` {
		t.Errorf("owed: %+v", owed)
	}
	need.Done(t, j.Pay(t.Context(), noon, o.Key))
	appendTo(t, j, "R", Batch{Owe: rows(later)})
	if owed, err = j.Owed(t.Context()); err != nil || len(owed) != 1 || !owed[0].Since.Equal(later.Since) || !owed[0].PaidAt.IsZero() {
		t.Errorf("owed: %+v, %v", owed, err)
	}
	appendTo(t, j, "R", Batch{Owe: rows(o), Pay: []pending.Key{o.Key}}) // settled in the same batch
	if got := owedIDs(t, j); got != nil {
		t.Errorf("owed: %v", got)
	}
}

func TestObligationsOfOneTaskAreToldApart(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	appendTo(t, j, "R", Batch{Owe: rows(owe("t", "discard/a", "fra"), owe("t", "discard/b", "fra"), owe("u", "discard/a", "fra"))})
	appendTo(t, j, "R", Batch{Pay: []pending.Key{{Task: "t", ID: "discard/b"}}})
	if d := cmp.Diff([]string{"R t discard/a", "R u discard/a"}, owedIDs(t, j)); d != "" {
		t.Error(d)
	}
}

func TestTheGuardCountsOverAllRuns(t *testing.T) {
	t.Parallel()
	named := func(device, identity string) Obligation {
		o := owe("t-"+device, "unquiesce", device)
		o.Identity = identity
		return o
	}
	group := []string{"fra-1", "fra-2", "fra-3"}
	none, late := Breaker{}, named("ams-1", "")
	late.DueBack = noon.Add(-time.Second)
	for name, tc := range map[string]struct {
		down    []Obligation
		paid    time.Time // when all of down were settled; zero: they are open
		trip    Breaker
		guard   Guard
		next    Obligation
		want    Denial
		devices []string
	}{
		"free":                         {nil, time.Time{}, none, Guard{MaxDevices: 1}, named("fra-1", ""), "", nil},
		"taken":                        {[]Obligation{named("fra-1", "")}, time.Time{}, none, Guard{MaxDevices: 1}, named("ams-1", ""), DeniedDevices, []string{"fra-1"}},
		"room for two":                 {[]Obligation{named("fra-1", "")}, time.Time{}, none, Guard{MaxDevices: 2}, named("ams-1", ""), "", nil},
		"no bound":                     {[]Obligation{named("fra-1", "")}, time.Time{}, none, Guard{}, named("ams-1", ""), "", nil},
		"another domain of the same":   {[]Obligation{named("fra-1", "")}, time.Time{}, none, Guard{MaxDevices: 1}, named("fra-1", ""), "", nil},
		"of the same certificate":      {[]Obligation{named("fra-1", "tls:x")}, time.Time{}, none, Guard{MaxDevices: 1}, named("fra-2", "tls:x"), DeniedDevices, []string{"fra-1"}},
		"two of the same certificate":  {[]Obligation{named("a", "tls:x"), named("b", "tls:x")}, time.Time{}, none, Guard{MaxDevices: 2}, named("c", ""), DeniedDevices, []string{"a", "b"}},
		"its twin came back just now":  {[]Obligation{named("fra-1", "tls:x")}, noon.Add(-time.Minute), none, Guard{MaxDevices: 1, Group: group, Settle: 2 * time.Minute}, named("fra-2", "tls:x"), DeniedSettle, []string{"fra-1"}},
		"the group is taken":           {[]Obligation{named("fra-1", "")}, time.Time{}, none, Guard{MaxDevices: 5, MaxPerGroup: 1, Group: group}, named("fra-2", ""), DeniedGroup, []string{"fra-1"}},
		"another group is taken":       {[]Obligation{named("ams-1", "")}, time.Time{}, none, Guard{MaxDevices: 5, MaxPerGroup: 1, Group: group}, named("fra-2", ""), "", nil},
		"came back just now":           {[]Obligation{named("fra-1", "")}, noon.Add(-time.Minute), none, Guard{MaxDevices: 1, Group: group, Settle: 2 * time.Minute}, named("fra-2", ""), DeniedSettle, []string{"fra-1"}},
		"came back long ago":           {[]Obligation{named("fra-1", "")}, noon.Add(-time.Hour), none, Guard{MaxDevices: 1, Group: group, Settle: 2 * time.Minute}, named("fra-2", ""), "", nil},
		"came back itself":             {[]Obligation{named("fra-1", "")}, noon.Add(-time.Minute), none, Guard{MaxDevices: 1, Group: group, Settle: 2 * time.Minute}, named("fra-1", ""), "", nil},
		"of another group, came back":  {[]Obligation{named("ams-1", "")}, noon.Add(-time.Minute), none, Guard{MaxDevices: 1, Group: group, Settle: 2 * time.Minute}, named("fra-2", ""), "", nil},
		"a device did not come back":   {nil, time.Time{}, Breaker{Device: "ams-9"}, Guard{}, named("fra-1", ""), DeniedBreaker, []string{"ams-9"}},
		"one of this environment":      {nil, time.Time{}, Breaker{Device: "ams-9", Environment: "env=prod"}, Guard{Environment: "env=prod"}, named("fra-1", ""), DeniedBreaker, []string{"ams-9"}},
		"one of another environment":   {nil, time.Time{}, Breaker{Device: "ams-9", Environment: "env=qa"}, Guard{Environment: "env=prod"}, named("fra-1", ""), "", nil},
		"other labels may overlap":     {nil, time.Time{}, Breaker{Device: "ams-9", Environment: "site=ams"}, Guard{Environment: "env=prod"}, named("fra-1", ""), DeniedBreaker, []string{"ams-9"}},
		"its environment is not known": {nil, time.Time{}, Breaker{Device: "ams-9"}, Guard{Environment: "env=prod"}, named("fra-1", ""), DeniedBreaker, []string{"ams-9"}},
		"every quiesce is on hold":     {nil, time.Time{}, Breaker{By: "ops@host"}, Guard{Environment: "env=prod"}, named("fra-1", ""), DeniedHold, nil},
		"it should have been back":     {[]Obligation{late}, time.Time{}, none, Guard{MaxDevices: 5}, named("fra-1", ""), DeniedBreaker, []string{"ams-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := openTest(t)
			before := Batch{Owe: rows(tc.down...)}
			if tc.trip != none {
				tc.trip.Since = noon
				need.Done(t, j.OpenBreaker(t.Context(), tc.trip))
			}
			appendTo(t, j, "older", before)
			if !tc.paid.IsZero() {
				for _, o := range tc.down {
					o.Run = "older"
					need.Done(t, j.Pay(t.Context(), tc.paid, o.Key))
				}
			}
			held := len(owedIDs(t, j))
			tc.next.Run = "newer"
			err := j.Grant(t.Context(), noon, tc.guard, tc.next.Obligation)
			if tc.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			refused := new(GuardError)
			if !errors.As(err, &refused) || refused.Denial != tc.want || !cmp.Equal(refused.Devices, tc.devices) {
				t.Fatalf("Grant = %v, want %s because of %v", err, tc.want, tc.devices)
			}
			if tc.want == DeniedSettle && !refused.Until.Equal(tc.paid.Add(tc.guard.Settle)) {
				t.Errorf("until %v", refused.Until)
			}
			if n := len(owedIDs(t, j)); n != held {
				t.Errorf("%d owed after a refusal, %d before", n, held)
			}
		})
	}
}

func TestABreakerKeepsItsFirstReasonUntilItIsClosed(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	down := owe("t", "unquiesce", "fra")
	down.Run = "R"
	need.Done(t, j.Grant(t.Context(), noon, Guard{Environment: "env=prod"}, down.Obligation))
	appendTo(t, j, "R", Batch{Trip: []Breaker{{Device: "fra", Since: noon, Reason: "first"}}, Devices: []Device{{Name: "ams", Identity: "SN", Facts: json.RawMessage(`{}`), Seen: noon}}})
	appendTo(t, j, "Q", Batch{Trip: []Breaker{{Device: "fra", Since: noon.Add(1), Reason: "second"}}, Devices: []Device{{Name: "fra", Seen: noon}}})
	first := Breaker{Device: "fra", Environment: "env=prod", Since: noon, Reason: "first", Run: "R"}
	breakers := func(run string) []Breaker {
		got, err := j.Breakers(t.Context(), run)
		need.Done(t, err)
		return got
	}
	if d := cmp.Diff([]Breaker{first}, breakers("")); d != "" {
		t.Error(d)
	}
	need.Done(t, j.CloseBreaker(t.Context(), "fra", "ops@host", noon.Add(2)))
	if err := j.CloseBreaker(t.Context(), "fra", "ops@host", noon); !errors.Is(err, ErrNotFound) {
		t.Errorf("CloseBreaker twice = %v", err)
	}
	if got := breakers(""); len(got) != 0 {
		t.Errorf("breakers = %v", got)
	}
	first.Closed, first.ClosedBy = noon.Add(2), "ops@host"
	if d := cmp.Diff([]Breaker{first}, breakers("R")); d != "" {
		t.Error(d)
	}
}

// Another plan may run for the first time while a run is at work. Its members
// belong to the group from then on, even if the run did not know them at its
// beginning.
func TestAMemberThatIsDeclaredLaterCountsInItsGroup(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	guard := Guard{MaxDevices: 5, MaxPerGroup: 1, Settle: time.Hour, Group: []string{"fra-1", "fra-2"}, Named: "fra"}
	ask := func(device string) Denial {
		o := owe("t-"+device, "unquiesce", device)
		refused := new(GuardError)
		if err := j.Grant(t.Context(), noon, guard, o.Obligation); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return refused.Denial
	}
	need.Done(t, j.SetMembers(t.Context(), "weekly", "/plans/weekly.hcl", []Member{{Group: "fra", Device: "fra-3"}, {Group: "ams", Device: "ams-1"}}))
	if d := ask("ams-1"); d != "" {
		t.Fatal(d)
	}
	if d := ask("fra-3"); d != "" {
		t.Fatalf("beside a device of another group: %s", d)
	}
	if d := ask("fra-1"); d != DeniedGroup {
		t.Errorf("while one of the group is down: %q", d)
	}
	need.Done(t, j.Pay(t.Context(), noon, pending.Key{Run: "R", Task: "t-fra-3", ID: "unquiesce"}))
	if d := ask("fra-1"); d != DeniedSettle {
		t.Errorf("when one of the group came back only just: %q", d)
	}
}

// A repeated request gets the same grant. A device whose grant was withdrawn was
// never quiesced, so nothing has to settle.
func TestAGrantIsTheDevicesUntilItIsTakenBackOrPaid(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	ask := func(device string) error {
		o := owe("t-"+device, "unquiesce", device)
		o.Run = "R"
		return j.Grant(t.Context(), noon, Guard{MaxDevices: 1, Group: []string{"a", "b"}, Settle: time.Hour}, o.Obligation)
	}
	need.Done(t, ask("a"))
	need.Done(t, ask("a"))
	if err := ask("b"); err == nil {
		t.Fatal("two devices got the one slot")
	}
	a := pending.Key{Run: "R", Task: "t-a", ID: "unquiesce"}
	need.Done(t, j.Withdraw(t.Context(), a))
	need.Done(t, j.Withdraw(t.Context(), a))
	need.Done(t, ask("b"))
	need.Done(t, j.Pay(t.Context(), noon, pending.Key{Run: "R", Task: "t-b", ID: "unquiesce"}))
	if err, settle := ask("a"), new(GuardError); !errors.As(err, &settle) || settle.Denial != DeniedSettle {
		t.Errorf("after the return of the other: %v", err)
	}
}
