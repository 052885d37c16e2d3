package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// acted is what an action came to: its own reply, or the request that waits for a
// second person.
type acted struct {
	Status   int
	Location string `header:"Location" doc:"The run, or the requests that wait"`
	Body     any
}

// orWaits is the reply to an action that is done, or waits for a second person.
func orWaits(s sees, status int, location string, body any, err error) (*acted, error) {
	if w := (*runner.Waits)(nil); errors.As(err, &w) {
		return &acted{http.StatusAccepted, Base + "/approvals", seenApproval(s, w.Approval)}, nil
	}
	return &acted{status, location, body}, err
}

// seenApproval returns a request without the plans that the caller may not see.
func seenApproval(s sees, a report.Approval) report.Approval {
	a.Plans = slices.DeleteFunc(slices.Clone(a.Plans), func(plan string) bool { return !s.Plan(plan) })
	return a
}

// mayWait describes that the reply to an operation is a T, or with the status 202 a
// request that waits for a second person.
func mayWait[T any](a *api, op huma.Operation) huma.Operation {
	of := func(t reflect.Type) *huma.Schema {
		return a.huma.OpenAPI().Components.Schemas.Schema(t, true, nameOf(t, t.Name()))
	}
	waits := &huma.Response{Description: "It waits for a second person: see /approvals", Content: map[string]*huma.MediaType{"application/json": {Schema: of(reflect.TypeFor[report.Approval]())}}}
	does := &huma.Response{Description: http.StatusText(op.DefaultStatus), Content: map[string]*huma.MediaType{"application/json": {Schema: of(reflect.TypeFor[T]())}}}
	op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusAccepted): waits, strconv.Itoa(op.DefaultStatus): does}
	if op.DefaultStatus == http.StatusAccepted {
		does.Description += ", or it waits for a second person: see /approvals"
		does.Content["application/json"].Schema = &huma.Schema{OneOf: []*huma.Schema{of(reflect.TypeFor[T]()), of(reflect.TypeFor[report.Approval]())}}
	}
	return op
}

// approvals registers what a second person does.
func (a *api) approvals() {
	get(a, access.Viewer, quick(), "/approvals", "listApprovals", "What waits, or has waited, for a second person: first what waits now, then the newest", func(ctx context.Context, s sees, _ *struct{}) (List[report.Approval], error) {
		all, err := a.Desk.Approvals(ctx)
		seen := []report.Approval{}
		for _, x := range all {
			if s.Concerns(x.Plans) || x.Who == s.Who.Key {
				seen = append(seen, seenApproval(s, x))
			}
		}
		return List[report.Approval]{Items: seen}, err
	})
	type decideRequest struct {
		ID   string `path:"id" minLength:"1" maxLength:"64"`
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"For whoever reads the record"`
		}
	}
	decide := func(ctx context.Context, s sees, q *decideRequest, approve bool) (*Reply[report.Approval], error) {
		all, err := a.Desk.Approvals(ctx)
		i := slices.IndexFunc(all, func(x report.Approval) bool { return x.ID == q.ID && (s.Concerns(x.Plans) || x.Who == s.Who.Key) })
		if err != nil || i < 0 {
			return nil, cmp.Or(err, notThere("request", q.ID))
		}
		if own := all[i].Who == s.Who.Key && !approve; !own && !s.Decides(all[i].Action, all[i].Plans) {
			return nil, problemOf(http.StatusForbidden, "To "+all[i].Title()+" is not yours to decide about: your role is too small, or your access is limited.", "Ask somebody who has the right to do the same.")
		}
		access.Note(ctx, access.Audited{Run: all[i].Run, Reason: q.Body.Reason, Change: all[i].Change})
		done, err := a.Desk.Decide(ctx, runner.DecideRequest{ID: q.ID, Approve: approve, By: s.Who.Name, Who: s.Who.Key, Reason: q.Body.Reason})
		access.Note(ctx, access.Audited{Run: done.Run, Reason: q.Body.Reason, Change: all[i].Change})
		return &Reply[report.Approval]{seenApproval(s, done)}, err
	}
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: Base + "/approvals/{id}/approve", OperationID: "approve", Summary: "Approve, as a second person, what waits", Tags: []string{"approvals"},
		Description: "What was asked for is done at once, and once, in the name of both. Who has asked for it cannot approve it; who approves it must have the right to do the same: to release a hold takes the role admin.", DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, q *decideRequest) (*Reply[report.Approval], error) {
			return decide(ctx, s, q, true)
		})
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: Base + "/approvals/{id}/refuse", OperationID: "refuse", Summary: "Refuse what waits, or withdraw what you have asked for", Tags: []string{"approvals"}, DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, q *decideRequest) (*Reply[report.Approval], error) {
			return decide(ctx, s, q, false)
		})
}
