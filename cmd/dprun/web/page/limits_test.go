package page

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/site"
)

// TestWhoSeesAPartIsNotToldThatEveryFileIsValid: those that are not are kept from him.
func TestWhoSeesAPartIsNotToldThatEveryFileIsValid(t *testing.T) {
	t.Parallel()
	s := &site.Site{Names: site.Plain, Empty: true}
	for who, told := range map[*access.Principal]bool{&admin: true, {Name: "x", Role: access.Admin, Plans: []string{"night"}}: false} {
		body := get(handler(t, s, *who), "/").Body.String()
		for _, valid := range []string{"Every plan file is valid", "plans are valid, destinations"} {
			if strings.Contains(body, valid) != told {
				t.Errorf("%s is told %q: %v", who.Name, valid, !told)
			}
		}
	}
}

// badPlan is a site whose plan does not compile any more, for a reason that names a
// device of somebody else.
type badPlan struct{ *site.Site }

func (b badPlan) Plans(ctx context.Context) ([]report.ServedPlan, error) {
	all, err := b.Site.Plans(ctx)
	all[0].Devices = map[string]map[string]string{"gw-a": {"site": "fra"}, "gw-b": {"site": "ber"}}
	return all, err
}

func (b badPlan) Coverage(context.Context, runner.CoverageRequest) (*report.Coverage, *report.Result, error) {
	return nil, &report.Result{Diagnostics: diag.List{{Severity: diag.Error, Summary: "Unknown credential", Detail: "hidden-gw", Range: &diag.Range{Filename: site.Plain.File}}}}, errors.New("hidden-gw is wrong")
}

func (b badPlan) Owed(context.Context) report.Pending {
	return report.Pending{Stops: []report.Stop{{Device: "hidden-gw", Environment: "env=prod", Since: site.Now}}}
}

func (b badPlan) Started(context.Context, string) (report.Started, error) {
	return report.Started{Run: "01ASKED", Plan: site.Plain.Plan, At: site.Now, Ended: site.Now, Message: "hidden-gw owes"}, nil
}

// TestWhoSeesAPartOfAPlanIsNotToldWhatIsWrongWithTheRest: and not that all is well either.
func TestWhoSeesAPartOfAPlanIsNotToldWhatIsWrongWithTheRest(t *testing.T) {
	t.Parallel()
	b := badPlan{&site.Site{Names: site.Plain}}
	h := as(t, Options{Desk: b, Reads: b, Open: func() (Fresh, error) { return b, nil }}, access.Principal{Name: "x", Role: access.Admin, Labels: map[string]string{"site": "fra"}})
	for path, want := range map[string]string{
		at("/plan", "file", site.Plain.File, "plan", site.Plain.Plan): "It is not known what has a good backup",
		"/pending":      "Quiesces are stopped because of 1 device that you may not see.",
		"/runs/01ASKED": "It was not begun.",
	} {
		w := get(h, path)
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, want) || strings.Contains(body, "hidden-gw") || strings.Contains(body, "Nothing forbids") {
			t.Errorf("%s: %d\n%s", path, w.Code, body)
		}
	}
}

// stuck is a site where something of the server's own goes wrong.
type stuck struct {
	*site.Site
	err error
}

func (s stuck) Firings(context.Context, int) (report.Firings, error) { return report.Firings{}, s.err }

// TestAnErrorThatNobodyLookedAtStaysInTheLog: only what was made to be read is shown.
func TestAnErrorThatNobodyLookedAtStaysInTheLog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{errors.New("password=hunter2"), http.StatusInternalServerError, "log"},
		{&runner.Error{ExitCode: runner.ExitBug, Err: errors.New("the journal is damaged")}, http.StatusInternalServerError, "the journal is damaged"},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, "too long"},
	} {
		s := stuck{&site.Site{Names: site.Plain}, c.err}
		w := get(as(t, Options{Desk: s, Reads: s, Open: func() (Fresh, error) { return s, nil }}, admin), "/schedules")
		if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "hunter2") {
			t.Errorf("%v: %d\n%s", c.err, w.Code, body)
		}
	}
}

// hanging is a site whose destinations do not answer.
type hanging struct {
	*site.Site
	asked chan struct{}
}

func (s hanging) DiffSets(ctx context.Context, _ runner.DiffSetsRequest) (*report.Diff, *report.Result, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

// TestDestinationsThatHangKeepNobodyFromAPlan: however many compare sets there.
func TestDestinationsThatHangKeepNobodyFromAPlan(t *testing.T) {
	t.Parallel()
	s := hanging{&site.Site{Names: site.Plain}, make(chan struct{})}
	ctx, end := context.WithCancel(t.Context())
	h := as(t, Options{Desk: s, Reads: s, Open: func() (Fresh, error) { return s, nil }}, admin)
	ended := make(chan struct{})
	for range 2 {
		go func() {
			defer func() { ended <- struct{}{} }()
			postIn(ctx, h, "/sets/01SETA/diff", url.Values{"with": {"01SETB"}})
		}()
		<-s.asked
	}
	brief, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if w := getIn(brief, h, at("/plan", "file", site.Plain.File, "plan", site.Plain.Plan)); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "It is not known") {
		t.Errorf("the page of a plan: %d\n%s", w.Code, w.Body)
	}
	end()
	<-ended
	<-ended
}
