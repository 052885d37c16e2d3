package page

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// approvalsPage shows the requests that wait for a second person, and the others.
type approvalsPage struct {
	Waiting, Over []report.Approval
}

// approvalsFor returns the requests that a viewer may see: his own, and those that
// concern nothing outside his limits.
func (p *pages) approvalsFor(r *http.Request, who access.Sight) ([]report.Approval, error) {
	all, err := p.Desk.Approvals(r.Context())
	return slices.DeleteFunc(slices.Clone(all), func(a report.Approval) bool { return !who.Concerns(a.Plans) && a.Who != who.Who.Key }), err
}

func waiting(all []report.Approval) (waiting []report.Approval) {
	for _, a := range all {
		if a.State == report.ApprovalWaits {
			waiting = append(waiting, a)
		}
	}
	return waiting
}

func (p *pages) approvals(r *http.Request, who access.Sight) (answer, error) {
	all, err := p.approvalsFor(r, who)
	v := approvalsPage{Waiting: waiting(all)}
	v.Over = slices.DeleteFunc(all, func(a report.Approval) bool { return a.State == report.ApprovalWaits })
	v.Over = v.Over[:min(len(v.Over), rowsShown)]
	return answer{Title: "Approvals", page: "approvals.html", Data: v, Events: events}, err
}

// approvalPage shows one request with the form to decide about it.
type approvalPage struct {
	report.Approval
	Own  bool // whoever looks at it asked for it
	May  bool // and might do the same
	Form form
}

func (p *pages) askApprove(r *http.Request, who access.Sight) (answer, error) {
	a, _, err := p.approving(r, who)
	return a, err
}

func (p *pages) approving(r *http.Request, who access.Sight) (answer, *approvalPage, error) {
	id := r.PathValue("id")
	all, err := p.approvalsFor(r, who)
	i := slices.IndexFunc(all, func(a report.Approval) bool { return a.ID == id })
	if err == nil && i < 0 {
		err = notFound("there is no request " + id)
	}
	if err != nil {
		return answer{}, nil, err
	}
	v := &approvalPage{Approval: all[i], Own: all[i].Who == who.Who.Key, May: who.Decides(all[i].Action, all[i].Plans)}
	v.Form = form{Post: "/approvals/" + id + "/approve", Name: v.Plan, What: "the plan's name", Button: "Approve: do it now", Change: v.Change}
	switch v.Action {
	case report.ActionAcknowledge:
		v.Form.Name, v.Form.What = v.Target, "the name of what is acknowledged"
	case report.ActionRelease:
		v.Form.Name, v.Form.What = "release", "the word"
	}
	return answer{Title: "Request of " + v.By, page: "approval.html", Data: v}, v, nil
}

func (p *pages) approve(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.approving(r, who)
	if err == nil && !v.May {
		err = notFound("this is not yours to approve: ask somebody who has the right to do the same")
	}
	if err != nil {
		return a, err
	}
	if v.Form = v.Form.filled(r); len(v.Form.Wrong) == 0 {
		reason := v.Form.Reason
		if v.Form.Change != v.Change { // the request has its own
			reason += " (" + v.Form.Change + ")"
		}
		if err = p.decide(r, who, v.Approval, true, reason); err == nil {
			return answer{to: "/approvals?done=approve"}, nil
		}
	}
	return again(a, &v.Form, err), nil
}

func (p *pages) refuse(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.approving(r, who)
	if err == nil && !v.May && !v.Own {
		err = notFound("this is not yours to refuse: ask somebody who has the right to do the same")
	}
	if err != nil {
		return a, err
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" || len(reason) > 1000 {
		v.Form.Wrong = []string{"Say why, for whoever reads the record, in 1,000 characters at most."}
		return again(a, &v.Form, nil), nil
	}
	if err = p.decide(r, who, v.Approval, false, reason); err == nil {
		return answer{to: "/approvals?done=refuse"}, nil
	}
	return again(a, &v.Form, err), nil
}

func (p *pages) decide(r *http.Request, who access.Sight, a report.Approval, approve bool, reason string) error {
	access.Note(r.Context(), access.Audited{Run: a.Run, Reason: reason, Change: a.Change})
	done, err := p.Desk.Decide(r.Context(), runner.DecideRequest{ID: a.ID, Approve: approve, By: who.Who.Name, Who: who.Who.Key, Reason: reason})
	access.Note(r.Context(), access.Audited{Run: done.Run, Reason: reason, Change: a.Change})
	return err
}

// waits reports whether an error says that a request waits for a second person.
func waits(err error) bool {
	w := (*runner.Waits)(nil)
	return errors.As(err, &w)
}
