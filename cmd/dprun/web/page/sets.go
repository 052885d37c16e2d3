package page

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// setsPage is a list of sets.
type setsPage struct {
	Plan, Device, Domain string
	Latest               bool
	Sets                 []report.Backup
	Next                 string
}

func (p *pages) sets(r *http.Request, who access.Sight) (answer, error) {
	v := setsPage{Plan: r.FormValue("plan"), Device: r.FormValue("device"), Domain: r.FormValue("domain"), Latest: r.FormValue("latest") != ""}
	q := runner.BackupsRequest{Plan: v.Plan, Device: v.Device, Domain: v.Domain, Latest: v.Latest, After: r.FormValue("after")}
	for set, err := range p.Reads.Backups(r.Context(), q) {
		if err != nil {
			return answer{}, err
		}
		if !who.Device(set.Plan, set.Device) {
			continue
		}
		if len(v.Sets) == rowsShown && !v.Latest { // the list of latest sets has no further page
			v.Next = at("/sets", "plan", v.Plan, "device", v.Device, "domain", v.Domain, "after", v.Sets[rowsShown-1].Set)
			break
		}
		v.Sets = append(v.Sets, set)
	}
	return answer{Title: "Sets", page: "sets.html", Data: v}, nil
}

// setPage shows one set, and the sets that it can be compared with.
type setPage struct {
	report.BackupDetail
	Others []report.Backup
	File   string // the served plan that stored it; empty: no plan of that name is served
	Diff   *report.Diff
	Faults []report.BackupFault // copies that could not be used
}

// othersShown is how many sets the page of a set offers for a comparison.
const othersShown = 30

func (p *pages) setDetail(ctx context.Context, who access.Sight, ref string) (v setPage, err error) {
	if v.BackupDetail, err = p.Reads.Backup(ctx, ref); err != nil {
		return v, err
	}
	if !who.Device(v.Plan, v.Device) {
		return v, notFound("there is no set " + ref)
	}
	for other, err := range p.Reads.Backups(ctx, runner.BackupsRequest{Device: v.Device, Domain: v.Domain}) {
		if err != nil {
			return v, err
		}
		if other.Set != v.Set && other.Domain == v.Domain && who.Device(other.Plan, other.Device) {
			v.Others = append(v.Others, other)
		}
		if len(v.Others) == othersShown {
			break
		}
	}
	plans, err := p.Desk.Plans(ctx)
	if i := slices.IndexFunc(plans, func(s report.ServedPlan) bool { return s.Plan == v.Plan && v.Plan != "" }); i >= 0 {
		v.File = plans[i].File
	}
	return v, err
}

func (p *pages) set(r *http.Request, who access.Sight) (answer, error) {
	v, err := p.setDetail(r.Context(), who, r.PathValue("set"))
	return answer{Title: "Set of " + strings.TrimSuffix(v.Device+" "+v.Domain, " "), page: "set.html", Data: v}, err
}

// diff fetches two sets and compares them. It needs POST, because it reads from
// destinations, and following a link should not do that.
func (p *pages) diff(r *http.Request, who access.Sight) (answer, error) {
	v, err := p.setDetail(r.Context(), who, r.PathValue("set"))
	if err != nil {
		return answer{}, err
	}
	with := r.PostFormValue("with")
	if !slices.ContainsFunc(v.Others, func(o report.Backup) bool { return o.Set == with }) {
		return answer{}, notFound("there is no set " + with + " of the same device and domain")
	}
	src, err := p.Desk.Source(v.File)
	if err != nil {
		return answer{}, err
	}
	err = p.fresh(r.Context(), p.fetches, func(f Fresh) error {
		d, res, err := f.DiffSets(r.Context(), runner.DiffSetsRequest{Source: src, Plan: v.Plan, A: with, B: v.Set,
			Failed: func(f report.BackupFault) { v.Faults = append(v.Faults, f) }})
		if v.Diff = d; err == nil && d == nil {
			return runner.Invalid(res.Diagnostics)
		}
		return err
	})
	if err != nil {
		return answer{}, fmt.Errorf("compare the sets %s and %s: %w", with, v.Set, err)
	}
	return answer{Title: "Two sets of " + strings.TrimSuffix(v.Device+" "+v.Domain, " "), page: "diff.html", Data: v}, nil
}
