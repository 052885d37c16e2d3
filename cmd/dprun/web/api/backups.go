package api

import (
	"context"
	"strconv"
	"strings"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *api) backups() {
	type backupsQuery struct {
		Page
		Plan   string `query:"plan" maxLength:"200" doc:"Only sets of this plan"`
		Device string `query:"device" maxLength:"200" doc:"Only sets of this device"`
		Domain string `query:"domain" maxLength:"200" doc:"Only sets of this domain"`
		Latest bool   `query:"latest" doc:"Only the last good set of each device, domain and activity"`
	}
	get(a, access.Viewer, quick(), "/backups", "listBackups", "Backups, the newest first", func(ctx context.Context, s sees, q *backupsQuery) (List[report.Backup], error) {
		from, err := q.where(strings.Join([]string{"backups", q.Plan, q.Device, q.Domain, strconv.FormatBool(q.Latest)}, "/"))
		if err != nil {
			return List[report.Backup]{}, err
		}
		id := func(b report.Backup) string { return b.Set }
		req := runner.BackupsRequest{Plan: q.Plan, Device: q.Device, Domain: q.Domain, Latest: q.Latest}
		if !q.Latest {
			req.After = from.After
		}
		all := a.Reads.Backups(ctx, req)
		if q.Latest { // which set is the latest does not depend on the cursor
			all = after(all, from.After, id)
		}
		return paged(q.Page, from.List, all, id, func(b report.Backup) bool { return s.device(b.Plan, b.Device) })
	})
	type setPath struct {
		Set string `path:"set" minLength:"1" maxLength:"64" doc:"Its ID, or a beginning of it"`
	}
	get(a, access.Viewer, quick(), "/backups/{set}", "getBackup", "One backup with everything that is known of it", func(ctx context.Context, s sees, q *setPath) (report.BackupDetail, error) {
		b, err := a.Reads.Backup(ctx, q.Set)
		if err != nil {
			return b, missing(err)
		}
		if !s.device(b.Plan, b.Device) {
			return report.BackupDetail{}, notThere("backup", q.Set)
		}
		return b, nil
	})
	type firingsQuery struct {
		Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most"`
	}
	get(a, access.Viewer, quick(), "/schedules", "listFirings", "What was decided about the times at which plans were due, the newest first, and how the server is",
		func(ctx context.Context, s sees, q *firingsQuery) (report.Firings, error) {
			f, err := a.Reads.Firings(ctx, q.Limit)
			if err != nil || s.All() {
				return f, err
			}
			out := report.Firings{Due: []report.Firing{}}
			for _, d := range f.Due {
				if s.Plan(d.Plan) {
					if !s.Whole(d.Plan) { // it may name hidden devices
						d.Message = ""
					}
					out.Due = append(out.Due, d)
				}
			}
			if f.Server != nil { // the plan of a broken file is unknown, so it may be a hidden one
				server := *f.Server
				server.Broken, server.Plans = []report.BrokenPlan{}, ""
				out.Server = &server
			}
			return out, nil
		})
	type evidenceQuery struct{ Page }
	get(a, access.Viewer, quick(), "/evidence", "listEvidence", "Records of evidence, the newest first", func(_ context.Context, s sees, q *evidenceQuery) (List[report.EvidenceRecord], error) {
		from, err := q.where("evidence")
		if err != nil {
			return List[report.EvidenceRecord]{}, err
		}
		id := func(r report.EvidenceRecord) string { return strconv.FormatInt(r.Sequence, 10) }
		return paged(q.Page, from.List, after(a.Reads.Evidence(), from.After, id), id, func(r report.EvidenceRecord) bool { return s.All() || r.Plan != "" && s.Whole(r.Plan) })
	})
	type recordPath struct {
		Record string `path:"record" minLength:"1" maxLength:"64" doc:"Its number, or the whole ID of its run"`
	}
	get(a, access.Viewer, quick(), "/evidence/{record}", "getEvidence", "One record of evidence with all that it holds", func(_ context.Context, s sees, q *recordPath) (report.EvidenceDetail, error) {
		d, err := a.Reads.EvidenceRecord(q.Record)
		if err != nil {
			return d, missing(err)
		}
		if !s.wholeRecord(d) {
			return report.EvidenceDetail{}, notThere("record", q.Record)
		}
		return d, nil
	})
}
