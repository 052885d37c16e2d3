package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// The two backup calls of IBM DataPower Operations Dashboard, for programs that use
// them today. The name of a plan takes the place of the API reference.

// ReferencePlans is the answer to the call that lists plans.
type ReferencePlans struct {
	Plans []ReferencePlan `json:"plans"`
}

// ReferencePlan is one plan in that list.
type ReferencePlan struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	URI         string `json:"URI" doc:"What executes it"`
	Updated     int64  `json:"lastUpdateTime" doc:"Milliseconds since 1970; 0: it is not known"`
}

// ReferenceResult is the answer to the call that executes a plan.
type ReferenceResult struct {
	Result    string `json:"resultCode" enum:"SUCCESS,ERROR"`
	ErrorCode string `json:"resultErrorCode" enum:"SUCCESS,PLAN_NOT_FOUND,PLAN_NOT_STARTED" doc:"PLAN_NOT_STARTED is dprun's own"`
	Message   string `json:"resultMessage"`
}

const referenceBase = "/op/api/v1/backupplan/"

func (a *api) reference() {
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodGet, Path: referenceBase, OperationID: "referencePlans", Summary: "The plans, as DPOD lists them", Tags: []string{"dpod"}},
		func(ctx context.Context, s sees, _ *struct{}) (*Reply[ReferencePlans], error) {
			all, err := a.Desk.Plans(ctx)
			out := ReferencePlans{Plans: []ReferencePlan{}}
			for _, p := range all {
				if p.Plan != "" && s.Plan(p.Plan) {
					out.Plans = append(out.Plans, ReferencePlan{Name: p.Plan, Description: p.File, URI: referenceBase + p.Plan + "/execute"})
				}
			}
			return &Reply[ReferencePlans]{out}, err
		})
	type execute struct {
		Reference string `path:"reference" minLength:"1" maxLength:"200" doc:"The plan's name"`
	}
	register(a, access.Operator, quick(), huma.Operation{Method: http.MethodPost, Path: referenceBase + "{reference}/execute", OperationID: "referenceExecute", Summary: "Start a plan, as DPOD does",
		Tags: []string{"dpod"}, DefaultStatus: http.StatusOK},
		func(ctx context.Context, s sees, q *execute) (*Reply[ReferenceResult], error) {
			_, err := a.served(ctx, s, PlanPath{Plan: q.Reference})
			if err == nil && s.Whole(q.Reference) {
				var started report.Started
				started, err = a.Desk.Start(ctx, runner.StartRequest{Plan: q.Reference, By: s.Who.Name, Who: s.Who.Key, Reason: "asked for by the call of DPOD"})
				access.Note(ctx, access.Audited{Run: started.Run, Reason: "asked for by the call of DPOD"})
			} else if err == nil {
				err = notThere("plan", q.Reference)
			}
			return &Reply[ReferenceResult]{a.referenceResult(err)}, nil
		})
}

// referenceResult describes the result of a start in those words.
func (a *api) referenceResult(err error) ReferenceResult {
	p := (*Problem)(nil)
	switch {
	case err == nil:
		return ReferenceResult{"SUCCESS", "SUCCESS", "Backup plan added to execution queue"}
	case errors.Is(err, report.NotServed) || errors.As(err, &p) && p.Status == http.StatusNotFound:
		return ReferenceResult{"ERROR", "PLAN_NOT_FOUND", "There is no such plan."}
	}
	return ReferenceResult{"ERROR", "PLAN_NOT_STARTED", problem(a.Log, err).Detail}
}
