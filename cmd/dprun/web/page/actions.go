package page

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// form asks for a confirmation before an action that must never be a single click.
type form struct {
	Post   string // where the form is sent
	Name   string // what the person must type
	What   string // what that is: "the device's name"
	Button string
	// Typed, Reason, Change and Only are what the person entered. Wrong lists what is
	// wrong with it.
	Typed, Reason, Change, Only string
	Wrong                       []string
	Second                      string // that a second person has to approve it; empty: nothing is known of that
	Key                         string // of the request: a form that is sent twice acts once
	Narrow                      bool   // the run can be narrowed to a part of the plan
}

// filled reads a form that was sent. It ignores blanks around names.
func (f form) filled(r *http.Request) form {
	f.Typed, f.Reason, f.Change = strings.TrimSpace(r.PostFormValue("name")), strings.TrimSpace(r.PostFormValue("reason")), strings.TrimSpace(r.PostFormValue("change"))
	f.Only, f.Key = strings.TrimSpace(r.PostFormValue("only")), r.PostFormValue("key")
	if f.Typed != f.Name {
		f.Wrong = append(f.Wrong, fmt.Sprintf("Type %s as it is written above: %s.", f.What, f.Name))
	}
	if f.Reason == "" {
		f.Wrong = append(f.Wrong, "Say why, for whoever reads the record.")
	}
	if f.Change == "" {
		f.Wrong = append(f.Wrong, "Give the number of the change or incident.")
	}
	if len(f.Typed)+len(f.Reason)+len(f.Change)+len(f.Only) > 4000 {
		f.Wrong = append(f.Wrong, "Be shorter: all fields together hold 4,000 characters.")
	}
	return f
}

// again shows a form again and says why nothing was done.
func again(a answer, f *form, err error) answer {
	if waits(err) {
		return answer{to: "/approvals?done=waits"}
	}
	a.status = http.StatusUnprocessableEntity
	if err != nil {
		f.Wrong = append(f.Wrong, report.Plain(err))
		a.status = http.StatusConflict
	}
	return a
}

// bringingBack is how long the page waits for a recovery. The recovery continues after
// that.
const bringingBack = 5 * time.Second

// everything returns an error if somebody's access is limited. It guards actions that
// concern every gateway.
func everything(who access.Sight) error {
	if who.All() {
		return nil
	}
	return notFound("this concerns every gateway, and your access is limited: ask somebody whose access is not")
}

func (p *pages) bringBack(r *http.Request, who access.Sight) (answer, error) {
	if err := everything(who); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), bringingBack)
	defer cancel()
	_, err := p.Desk.BringBack(ctx, who.Who.Name)
	if errors.Is(err, report.Runs) || errors.Is(err, context.DeadlineExceeded) {
		return answer{to: "/?done=recovering"}, nil // the recovery goes on
	}
	return answer{to: "/?done=recover"}, err
}

func (p *pages) hold(r *http.Request, who access.Sight) (answer, error) {
	err := everything(who)
	if err == nil {
		_, err = p.Desk.Hold(r.Context(), runner.HoldRequest{By: who.Who.Name, Reason: oneClick})
	}
	return answer{to: "/?done=hold"}, err
}

// oneClick is the recorded reason of actions that ask for none.
const oneClick = "by one click on the page"

func (p *pages) pause(r *http.Request, who access.Sight) (answer, error) {
	err := everything(who)
	if err == nil {
		_, err = p.Desk.Pause(r.Context(), runner.PauseRequest{By: who.Who.Name, Reason: oneClick})
	}
	return answer{to: "/?done=pause"}, err
}

// liftPage asks for a confirmation before plans are started again.
type liftPage struct {
	Work report.OverviewWork // the pause, and what is due next
	Form form
}

func (p *pages) askLift(r *http.Request, who access.Sight) (answer, error) {
	a, _, err := p.lifting(r, who)
	return a, err
}

func (p *pages) lifting(r *http.Request, who access.Sight) (answer, *liftPage, error) {
	if err := everything(who); err != nil {
		return answer{}, nil, err
	}
	v := &liftPage{Work: p.Desk.OverviewFor(r.Context(), nil).Work, Form: form{Post: "/pause/lift", Name: "start", What: "the word", Button: "Start plans again when they are due"}}
	return answer{Title: "Lift the pause", page: "lift.html", Data: v}, v, nil
}

func (p *pages) lift(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.lifting(r, who)
	if err != nil {
		return a, err
	}
	if v.Form = v.Form.filled(r); len(v.Form.Wrong) == 0 {
		access.Note(r.Context(), access.Audited{Reason: v.Form.Reason, Change: v.Form.Change})
		if _, err = p.Desk.Pause(r.Context(), runner.PauseRequest{Release: true, By: who.Who.Name, Reason: v.Form.Reason, Change: v.Form.Change}); err == nil {
			return answer{to: "/?done=lift"}, nil
		}
	}
	return again(a, &v.Form, err), nil
}

// partly refuses an action on a plan of which somebody may see only some devices.
func partly(plan string) error {
	return notFound("you may see some devices of plan " + plan + " only, and this would touch them all")
}

// askCancel asks for a confirmation before a run is cancelled.
func (p *pages) askCancel(r *http.Request, who access.Sight) (answer, error) {
	a, _, err := p.cancelling(r, who)
	return a, err
}

// cancelPage asks for a confirmation before a run is cancelled.
type cancelPage struct {
	Run  runPage
	Form form
	Down []report.Owed // what the run keeps quiesced
}

func (p *pages) cancelling(r *http.Request, who access.Sight) (answer, *cancelPage, error) {
	run, err := p.runDetail(r.Context(), who, r.PathValue("run"))
	if err == nil && !who.Whole(run.Plan) {
		err = partly(run.Plan)
	}
	if err != nil {
		return answer{}, nil, err
	}
	v := &cancelPage{Run: run, Form: form{Post: "/runs/" + run.ID + "/cancel", Name: run.Plan, What: "the plan's name", Button: "Cancel this run", Second: p.second(r)}}
	for _, o := range p.Reads.Owed(r.Context()).Owed {
		if o.Run == run.ID && o.Kind == "unquiesce" {
			v.Down = append(v.Down, o)
		}
	}
	return answer{Title: "Cancel a run of " + run.Plan, page: "cancel.html", Data: v}, v, nil
}

func (p *pages) cancel(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.cancelling(r, who)
	if err != nil {
		return a, err
	}
	if v.Form = v.Form.filled(r); len(v.Form.Wrong) == 0 {
		access.Note(r.Context(), access.Audited{Run: v.Run.ID, Reason: v.Form.Reason, Change: v.Form.Change})
		if err = p.Desk.Cancel(r.Context(), runner.CancelRequest{Run: v.Run.ID, By: who.Who.Name, Who: who.Who.Key, Reason: v.Form.Reason, Change: v.Form.Change}); err == nil {
			return answer{to: "/runs/" + v.Run.ID + "?done=cancel"}, nil
		}
	}
	return again(a, &v.Form, err), nil
}

// askStart asks for a confirmation before a plan is run, and shows what it would
// quiesce.
func (p *pages) askStart(r *http.Request, who access.Sight) (answer, error) {
	a, _, err := p.starting(r, who)
	return a, err
}

func (p *pages) starting(r *http.Request, who access.Sight) (answer, *planPage, error) {
	v, err := p.served(r, who)
	if err == nil && !who.Whole(v.Plan) {
		err = partly(v.Plan)
	}
	if err != nil {
		return answer{}, nil, err
	}
	src, err := p.Desk.Source(v.File)
	if err != nil {
		return answer{}, nil, err
	}
	err = p.fresh(r.Context(), p.slots, func(f Fresh) error {
		preview, res, err := f.Preview(r.Context(), runner.PreviewRequest{Source: src, Plan: v.Plan, Offline: true})
		if v.Preview = preview; err == nil && preview == nil {
			return runner.Invalid(res.Diagnostics)
		}
		return err
	})
	if err != nil {
		return answer{}, nil, err
	}
	for _, t := range v.Preview.Tasks {
		if t.Disruptive != "" {
			v.Out = append(v.Out, t)
		}
	}
	v.Form = form{Post: at("/plan/run", "file", v.File, "plan", v.Plan), Name: v.Plan, What: "the plan's name", Button: "Run this plan now", Key: rand.Text(), Narrow: true}
	if v.FourEyes {
		v.Form.Second = "This plan wants a second person: it is started when somebody else has approved that, within half an hour."
	}
	return answer{Title: "Run plan " + v.Plan, page: "start.html", Data: &v}, &v, nil
}

func (p *pages) start(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.starting(r, who)
	if err != nil {
		return a, err
	}
	if v.Form = v.Form.filled(r); len(v.Form.Wrong) == 0 {
		q := runner.StartRequest{Plan: v.Plan, File: v.File, By: who.Who.Name, Who: who.Who.Key, Reason: v.Form.Reason, Change: v.Form.Change, Key: v.Form.Key}
		if v.Form.Only != "" {
			q.Only = strings.Fields(v.Form.Only)
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{q.Plan, q.File, v.Form.Only, q.Reason, q.Change}))
		q.Digest = hex.EncodeToString(sum[:])
		var begun report.Started
		begun, err = p.Desk.Start(r.Context(), q)
		access.Note(r.Context(), access.Audited{Run: begun.Run, Reason: q.Reason, Change: q.Change})
		if err == nil {
			return answer{to: "/runs/" + begun.Run}, nil
		}
	}
	return again(a, &v.Form, err), nil
}

// acknowledgePage asks for a confirmation before something counts as done.
type acknowledgePage struct {
	Owner owner
	Form  form
}

func (p *pages) askAcknowledge(r *http.Request, who access.Sight) (answer, error) {
	a, _, err := p.acknowledging(r, who)
	return a, err
}

func (p *pages) acknowledging(r *http.Request, who access.Sight) (answer, *acknowledgePage, error) {
	target := r.FormValue("target")
	all := owners(p.Reads.Owed(r.Context()).Owed)
	i := slices.IndexFunc(all, func(o owner) bool {
		return o.Target == target && !slices.ContainsFunc(o.Owed, func(x report.Owed) bool { return !who.Device(x.Plan, x.Device) })
	})
	if i < 0 {
		return answer{}, nil, notFound("nothing is left to undo on " + target)
	}
	v := &acknowledgePage{Owner: all[i], Form: form{Post: at("/pending/acknowledge", "target", target), Name: target, What: "the name of the " + strings.Fields(all[i].Name)[0], Button: "All of this is done", Second: p.second(r)}}
	return answer{Title: "Acknowledge what must be undone on " + all[i].Name, page: "acknowledge.html", Data: v}, v, nil
}

func (p *pages) acknowledge(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.acknowledging(r, who)
	if err != nil {
		return a, err
	}
	if v.Form = v.Form.filled(r); len(v.Form.Wrong) == 0 {
		access.Note(r.Context(), access.Audited{Reason: v.Form.Reason, Change: v.Form.Change})
		if _, err = p.Desk.Acknowledge(r.Context(), runner.AcknowledgeRequest{Target: v.Owner.Target, By: who.Who.Name, Who: who.Who.Key, Reason: v.Form.Reason, Change: v.Form.Change}); err == nil {
			return answer{to: "/pending?done=acknowledge"}, nil
		}
	}
	return again(a, &v.Form, err), nil
}

// releasePage asks for a confirmation before quiesces are allowed again.
type releasePage struct {
	Stops []report.Stop
	Form  form
}

func (p *pages) askRelease(r *http.Request, who access.Sight) (answer, error) {
	a, _, err := p.releasing(r, who)
	return a, err
}

func (p *pages) releasing(r *http.Request, who access.Sight) (answer, *releasePage, error) {
	if err := everything(who); err != nil {
		return answer{}, nil, err
	}
	v := &releasePage{Stops: p.Reads.Owed(r.Context()).Stops, Form: form{Post: "/hold/release", Name: "release", What: "the word", Button: "Allow quiesces again", Second: p.second(r)}}
	return answer{Title: "Release the hold", page: "release.html", Data: v}, v, nil
}

func (p *pages) release(r *http.Request, who access.Sight) (answer, error) {
	a, v, err := p.releasing(r, who)
	if err != nil {
		return a, err
	}
	if v.Form = v.Form.filled(r); len(v.Form.Wrong) == 0 {
		access.Note(r.Context(), access.Audited{Reason: v.Form.Reason, Change: v.Form.Change})
		if _, err = p.Desk.Hold(r.Context(), runner.HoldRequest{Release: true, By: who.Who.Name, Who: who.Who.Key, Reason: v.Form.Reason, Change: v.Form.Change}); err == nil {
			return answer{to: "/pending?done=release"}, nil
		}
	}
	return again(a, &v.Form, err), nil
}

// pendingPage shows what must be undone, and what forbids quiesces.
type pendingPage struct {
	Owners  []owner
	Stops   []report.Stop
	Unknown *report.Failure
	Outside int
	Stopped string // how many hidden devices forbid quiesces; empty: none
}

func (p *pages) pending(r *http.Request, who access.Sight) (answer, error) {
	all := p.Reads.Owed(r.Context())
	v := pendingPage{Unknown: all.Unknown}
	mine := slices.DeleteFunc(slices.Clone(all.Owed), func(o report.Owed) bool { return !who.Device(o.Plan, o.Device) })
	v.Stops = slices.DeleteFunc(slices.Clone(all.Stops), func(s report.Stop) bool { return s.Device != "" && !who.Device("", s.Device) })
	if hidden := len(all.Stops) - len(v.Stops); hidden > 0 {
		v.Stopped = count(hidden, "device", "devices")
	}
	if v.Unknown != nil && !who.All() { // it may name hidden devices
		v.Unknown = &report.Failure{Message: "ask somebody who may see all plans"}
	}
	v.Owners, v.Outside = owners(mine), len(all.Owed)-len(mine)
	return answer{Title: "Pending", page: "pending.html", Data: v, Events: events}, nil
}

// second tells that a second person may have to approve something, where any plan
// that is served says four_eyes.
func (p *pages) second(r *http.Request) string {
	all, err := p.Desk.Plans(r.Context())
	if err == nil && !slices.ContainsFunc(all, func(s report.ServedPlan) bool { return s.FourEyes }) {
		return ""
	}
	return "A second person may have to approve this, within half an hour: it concerns a plan that says four_eyes."
}
