package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/site"
)

// TestWhatWaitsLeadsToTheApprovals: nothing is shown as done that waits for a second person.
func TestWhatWaitsLeadsToTheApprovals(t *testing.T) {
	t.Parallel()
	for of, g := range grave {
		s := &site.Site{Names: site.Plain}
		h := handler(t, s, admin)
		if body := get(h, strings.TrimSuffix(g.path, "/approve")).Body.String(); of != "approve" && !strings.Contains(body, "second person") {
			t.Errorf("%s does not say that it wants a second person:\n%s", of, body)
		}
		s.Fail(&runner.Error{ExitCode: runner.ExitWaits, Err: &runner.Waits{Approval: report.Approval{ID: "01WAITS"}}})
		w := post(h, g.path, url.Values{"name": {g.name}, "reason": {"it hangs"}, "change": {"CHG-1"}, "key": {"k"}})
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/approvals?done=waits" {
			t.Errorf("%s: %d, %q\n%s", of, w.Code, to, w.Body)
		}
	}
}

func TestASecondPersonApprovesOrRefusesOnThePage(t *testing.T) {
	t.Parallel()
	s := &site.Site{Names: site.Plain}
	otto, berta, viewer := access.Principal{Name: "otto", Key: "sub-otto", Role: access.Operator}, access.Principal{Name: "berta", Key: "sub-berta", Role: access.Operator}, access.Principal{Name: "v", Key: "v", Role: access.Viewer}
	for _, c := range []struct {
		who              access.Principal
		path, has, lacks string
	}{
		{viewer, "/", "bertaapp01</strong> asks to", "no such text"}, {viewer, "/approvals", "asks to <span class=\"wrap\">start plan nightly, only device=gw-a</span>, because: app01 (nightly)", "href=\"/approvals/"},
		{otto, "/", "2 requests wait for a second person.", "no such text"}, {otto, "/approvals", "href=\"/approvals/01WAITS\"", "no such text"}, {otto, "/approvals/01WAITS", "/approvals/01WAITS/approve", "Withdraw"},
		{otto, "/approvals/01RELEASE", "who might do the same himself", "<button"}, {berta, "/approvals/01WAITS", "Withdraw it", "/approve\""}, {admin, "/approvals/01RELEASE", "/approvals/01RELEASE/approve", "no such text"},
		{otto, "/approvals/01OVER", "It was approved by", "<form class=\"ask\""},
	} {
		if body := get(handler(t, s, c.who), c.path).Body.String(); !strings.Contains(body, c.has) || strings.Contains(strings.Replace(body, "/logout", "", 1), c.lacks) {
			t.Errorf("%s to %s: without %q or with %q\n%s", c.path, c.who.Name, c.has, c.lacks, body)
		}
	}
	said := url.Values{"name": {"nightly"}, "reason": {"agreed"}, "change": {"CHG-2"}}
	for _, c := range []struct {
		who  access.Principal
		path string
		code int
	}{
		{otto, "/approvals/01WAITS/approve", 303}, {otto, "/approvals/01WAITS/refuse", 303}, {otto, "/approvals/01RELEASE/approve", 404}, {otto, "/approvals/01RELEASE/refuse", 404}, {berta, "/approvals/01RELEASE/refuse", 303},
		{viewer, "/approvals/01WAITS/approve", 403}, {otto, "/approvals/01NONE/approve", 404},
	} {
		if w := post(handler(t, s, c.who), c.path, said); w.Code != c.code {
			t.Errorf("%s by %s: %d, want %d\n%s", c.path, c.who.Name, w.Code, c.code, w.Body)
		}
	}
	want := []any{runner.DecideRequest{ID: "01WAITS", Approve: true, By: "otto", Who: "sub-otto", Reason: "agreed (CHG-2)"}, runner.DecideRequest{ID: "01WAITS", By: "otto", Who: "sub-otto", Reason: "agreed"},
		runner.DecideRequest{ID: "01RELEASE", By: "berta", Who: "sub-berta", Reason: "agreed"}}
	if got := s.Asked(); !slices.Equal(got, want) {
		t.Errorf("asked %+v", got)
	}
	if w := post(handler(t, s, otto), "/approvals/01WAITS/refuse", nil); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Say why") {
		t.Errorf("refused without a reason: %d\n%s", w.Code, w.Body)
	}
}

// TestWhoWithdrawsSeesWhyItFailed, in words and once.
func TestWhoWithdrawsSeesWhyItFailed(t *testing.T) {
	t.Parallel()
	late := &runner.Error{ExitCode: runner.ExitRunning, Err: fmt.Errorf("somebody has decided already: %w", report.OverAlready)}
	for _, who := range []access.Principal{{Name: "berta", Key: "sub-berta", Role: access.Operator}, {Name: "otto", Key: "sub-otto", Role: access.Operator}} {
		for _, c := range []struct {
			fail   error
			reason string
			code   int
			says   string
		}{{nil, "", http.StatusUnprocessableEntity, "<li>Say why"}, {late, "a mistake", http.StatusConflict, "<li>somebody has decided already</li>"}} {
			s := &site.Site{Names: site.Plain}
			h := handler(t, s, who)
			if c.fail != nil {
				s.Fail(c.fail)
			}
			if w := post(h, "/approvals/01WAITS/refuse", url.Values{"reason": {c.reason}}); w.Code != c.code || strings.Count(w.Body.String(), c.says) != 1 {
				t.Errorf("%s: %d, want %q once\n%s", who.Name, w.Code, c.says, w.Body)
			}
		}
	}
}

func TestAPageOfARefusalHasNoWordForPrograms(t *testing.T) {
	t.Parallel()
	s := &site.Site{Names: site.Plain}
	h := handler(t, s, admin)
	s.Fail(&runner.Error{ExitCode: runner.ExitRunning, Err: fmt.Errorf("the server stops: %w", report.Stopping)})
	if w := post(h, "/recover", nil); !strings.Contains(w.Body.String(), "the server stops") || strings.Contains(w.Body.String(), ": stopping") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}

// unread is a site whose requests cannot be read.
type unread struct{ *site.Site }

func (unread) Approvals(context.Context) ([]report.Approval, error) {
	return nil, errors.New("the journal is damaged")
}

// TestTheOverviewAnswersWhereRequestsCannotBeRead: what is down is told all the same.
func TestTheOverviewAnswersWhereRequestsCannotBeRead(t *testing.T) {
	t.Parallel()
	s := unread{&site.Site{Names: site.Plain}}
	w := get(as(t, Options{Desk: s, Reads: s, Open: func() (Fresh, error) { return s, nil }}, admin), "/")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "It is not known whether anything waits for a second person.") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}
