package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// Why is the reason that a caller gives for an action.
type Why struct {
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why, for whoever reads the record"`
	Change string `json:"change,omitempty" maxLength:"200" doc:"The number of the change"`
}

// Start is a request to run a plan that is served.
type Start struct {
	Plan string   `json:"plan" minLength:"1" maxLength:"200"`
	File string   `json:"file,omitempty" maxLength:"1000" doc:"The file that the plan stands in; needed where two have a plan of that name"`
	Only []string `json:"only,omitempty" maxItems:"50" doc:"What narrows it, as --only of the command line"`
	Why
}

// Cancelling is what becomes of a request to cancel a run.
type Cancelling struct {
	Waits *report.Approval `json:"waits,omitempty" doc:"It waits for a second person: the plan says four_eyes, and the run keeps something quiesced. Absent: the run was asked to stop"`
}

func (a *api) actions() {
	type startRequest struct {
		Key  string `header:"Idempotency-Key" required:"true" minLength:"8" maxLength:"200" doc:"Made up for this request, such as a UUID. The same key with the same body gives the same run again, whatever happens between."`
		Body Start
	}
	register(a, access.Operator, quick(), mayWait[report.Started](a, huma.Operation{Method: http.MethodPost, Path: Base + "/runs", OperationID: "startRun", Summary: "Start a run of a plan that is served", Tags: []string{"runs"},
		Description: "The run has its ID at once, and begins a moment later. What becomes of it: /runs/{run}/request, /runs/{run}, /runs/{run}/events. Of a plan that says four_eyes nothing begins before a second person has approved it: the reply is the request that waits.", DefaultStatus: http.StatusAccepted}),
		func(ctx context.Context, s sees, q *startRequest) (*acted, error) {
			b := q.Body
			p, err := a.served(ctx, s, PlanPath{Plan: b.Plan, File: b.File})
			if err == nil && !s.Whole(b.Plan) {
				err = notThere("plan", b.Plan)
			}
			if err != nil {
				return nil, err
			}
			body, err := json.Marshal(b)
			if err != nil {
				return nil, err
			}
			digest := sha256.Sum256(body)
			started, err := a.Desk.Start(ctx, runner.StartRequest{Plan: b.Plan, File: p.File, Only: b.Only, By: s.Who.Name, Who: s.Who.Key, Reason: b.Reason, Change: b.Change, Key: s.Who.Key + " " + q.Key, Digest: hex.EncodeToString(digest[:])})
			access.Note(ctx, access.Audited{Run: started.Run, Reason: b.Reason, Change: b.Change})
			return orWaits(s, http.StatusAccepted, Base+"/runs/"+started.Run, started, err)
		})
	get(a, access.Viewer, quick(), "/runs/{run}/request", "getRunRequest", "Who asked this server for a run, and whether it is over", func(ctx context.Context, s sees, q *RunPath) (report.Started, error) {
		return a.started(ctx, s, q.Run)
	})
	type cancelRequest struct {
		RunPath
		Body Why
	}
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: Base + "/runs/{run}/cancel", OperationID: "cancelRun", Summary: "Cancel a run of this server", Tags: []string{"runs"},
		Description: "It is answered at once; the run ends when what it has quiesced is back.", DefaultStatus: http.StatusAccepted},
		func(ctx context.Context, s sees, q *cancelRequest) (*Reply[Cancelling], error) {
			st, err := a.started(ctx, s, q.Run)
			id, plan := st.Run, st.Plan
			if err != nil { // a run that was due, which nobody asked for
				d, err := a.run(ctx, s, q.Run)
				if err != nil {
					return nil, err
				}
				id, plan = d.ID, d.Plan
			}
			if !s.Whole(plan) {
				return nil, notThere("run", q.Run)
			}
			access.Note(ctx, access.Audited{Run: id, Reason: q.Body.Reason, Change: q.Body.Change})
			err = a.Desk.Cancel(ctx, runner.CancelRequest{Run: id, By: s.Who.Name, Who: s.Who.Key, Reason: q.Body.Reason, Change: q.Body.Change})
			if w := (*runner.Waits)(nil); errors.As(err, &w) {
				waits := seenApproval(s, w.Approval)
				return &Reply[Cancelling]{Cancelling{Waits: &waits}}, nil
			}
			return &Reply[Cancelling]{}, err
		})
	register(a, access.Operator, recovers(), huma.Operation{Method: http.MethodPost, Path: Base + "/recover", OperationID: "recover", Summary: "Bring back now what dead runs have left", Tags: []string{"recover"},
		Description: "It is answered when that has ended, which may take minutes. A server does it by itself every five minutes.", DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, _ *struct{}) (*Reply[report.Result], error) {
			if err := s.everything(); err != nil {
				return nil, err
			}
			res, err := a.Desk.BringBack(ctx, s.Who.Name)
			if err != nil {
				return nil, err
			}
			return &Reply[report.Result]{*res}, nil
		})
	a.holds()
	a.pauses()
	type ackRequest struct {
		Target string `path:"target" minLength:"1" maxLength:"200" doc:"A device, or the whole ID of a run; journal, where that is lost"`
		Body   struct {
			Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"What was looked at, and what was done by hand"`
			Change string `json:"change,omitempty" maxLength:"200" doc:"The number of the change"`
		}
	}
	register(a, access.Operator, quick(), mayWait[report.Acknowledged](a, huma.Operation{Method: http.MethodPost, Path: Base + "/pending/{target}/acknowledge", OperationID: "acknowledge", Tags: []string{"pending"},
		Summary:     "Enter that somebody has looked at a device, and that all is done there",
		Description: "It brings nothing back. Everything that must be undone there counts as undone from then on, on the word of the person who acknowledges it.", DefaultStatus: http.StatusOK}),
		func(ctx context.Context, s sees, q *ackRequest) (*acted, error) {
			if !s.All() && !a.owes(ctx, s, q.Target) {
				return nil, notThere("target", q.Target)
			}
			access.Note(ctx, access.Audited{Reason: q.Body.Reason, Change: q.Body.Change})
			done, err := a.Desk.Acknowledge(ctx, runner.AcknowledgeRequest{Target: q.Target, By: s.Who.Name, Who: s.Who.Key, Reason: q.Body.Reason, Change: q.Body.Change})
			return orWaits(s, http.StatusOK, "", done, missing(err))
		})
}

// holds registers the routes that stop and allow quiesces.
func (a *api) holds() {
	get(a, access.Viewer, quick(), "/hold", "getHold", "What forbids quiesces now", func(ctx context.Context, s sees, _ *struct{}) (Stops, error) {
		all := a.Reads.Owed(ctx).Stops
		seen := seenStops(s, "", all)
		return Stops{List[report.Stop]{Items: seen}, len(all) - len(seen)}, nil
	})
	hold := func(ctx context.Context, s sees, q runner.HoldRequest) (List[report.Stop], error) {
		if err := s.everything(); err != nil {
			return List[report.Stop]{}, err
		}
		q.By, q.Who = s.Who.Name, s.Who.Key
		access.Note(ctx, access.Audited{Reason: q.Reason, Change: q.Change})
		h, err := a.Desk.Hold(ctx, q)
		return List[report.Stop]{Items: h.Stops}, err
	}
	type holdRequest struct {
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"For whoever finds the hold"`
		}
	}
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: Base + "/hold", OperationID: "hold", Summary: "Stop every quiesce until the hold is released", Tags: []string{"hold"}, DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, q *holdRequest) (*Reply[List[report.Stop]], error) {
			stops, err := hold(ctx, s, runner.HoldRequest{Reason: q.Body.Reason})
			return &Reply[List[report.Stop]]{stops}, err
		})
	type releaseRequest struct {
		Reason string `query:"reason" maxLength:"1000" doc:"Why, for whoever reads the record"`
		Change string `query:"change" maxLength:"200" doc:"The number of the change"`
	}
	register(a, access.Admin, quick(), mayWait[List[report.Stop]](a, huma.Operation{Method: http.MethodDelete, Path: Base + "/hold", OperationID: "release", Summary: "Release the hold", Tags: []string{"hold"}, DefaultStatus: http.StatusOK}),
		func(ctx context.Context, s sees, q *releaseRequest) (*acted, error) {
			stops, err := hold(ctx, s, runner.HoldRequest{Release: true, Reason: q.Reason, Change: q.Change})
			return orWaits(s, http.StatusOK, "", stops, err)
		})
}

// pauses registers the routes that stop and allow starts.
func (a *api) pauses() {
	pause := func(ctx context.Context, s sees, q runner.PauseRequest) (*Reply[List[report.Pause]], error) {
		if err := s.everything(); err != nil {
			return nil, err
		}
		q.By = s.Who.Name
		access.Note(ctx, access.Audited{Reason: q.Reason, Change: q.Change})
		p, err := a.Desk.Pause(ctx, q)
		now := List[report.Pause]{Items: []report.Pause{}}
		if p != nil {
			now.Items = append(now.Items, *p)
		}
		return &Reply[List[report.Pause]]{now}, err
	}
	type pauseRequest struct {
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"For whoever finds the pause, or reads the record"`
			Change string `json:"change,omitempty" maxLength:"200" doc:"The number of the change"`
		}
	}
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: Base + "/pause", OperationID: "pause", Summary: "Start nothing new until the pause is lifted", Tags: []string{"pause"},
		Description: "Neither what is due nor what somebody asks for is started, also by a server that is started anew. Runs under way go on. Asked for again, the pause that is there stays, and is given. /overview tells of it under work.", DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, q *pauseRequest) (*Reply[List[report.Pause]], error) {
			return pause(ctx, s, runner.PauseRequest{Reason: q.Body.Reason, Change: q.Body.Change})
		})
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: Base + "/pause/lift", OperationID: "liftPause", Summary: "Start again what is due", Tags: []string{"pause"},
		Description: "What was due meanwhile is made up for as what is missed. Without a pause it is refused.", DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, q *pauseRequest) (*Reply[List[report.Pause]], error) {
			return pause(ctx, s, runner.PauseRequest{Release: true, Reason: q.Body.Reason, Change: q.Body.Change})
		})
}

// everything returns an error if the caller's access is limited. It guards actions that
// concern every gateway.
func (s sees) everything() error {
	if s.All() {
		return nil
	}
	return problemOf(http.StatusForbidden, "This concerns every gateway, and your access is limited.", "Ask somebody whose access is not.")
}

// started returns a run that somebody asked for, if the caller may see it.
func (a *api) started(ctx context.Context, s sees, run string) (report.Started, error) {
	st, err := a.Desk.Started(ctx, run)
	if err != nil {
		return st, missing(err)
	}
	if !s.Plan(st.Plan) {
		return report.Started{}, notThere("run", run)
	}
	if !s.Whole(st.Plan) {
		st = startedFor(st)
	}
	return st, nil
}

// owes reports whether a device or run has pending recoveries and the caller may see
// all of them.
func (a *api) owes(ctx context.Context, s sees, target string) bool {
	owes := false
	for _, o := range a.Reads.Owed(ctx).Owed {
		if o.Device == target || o.Run == target {
			if !s.device(o.Plan, o.Device) {
				return false
			}
			owes = true
		}
	}
	return owes
}
