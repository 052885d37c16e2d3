package runner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
)

const (
	// approvalTime is how long a request waits for a second person.
	approvalTime = 30 * time.Minute
	// approvalsListed is the most requests that a list has.
	approvalsListed = 200
	// approvalsEach is the most requests of one person that wait at a time.
	approvalsEach = 20
	// unknownDeed is on record from a decision until it is known what came of it.
	unknownDeed = "it is not known whether it was done"
)

// Waits is the cause of an error that says that nothing is done yet, because a
// second person must approve it first. It wraps [report.SecondPerson].
type Waits struct{ Approval report.Approval }

// Error implements error.
func (w *Waits) Error() string {
	a := w.Approval
	return fmt.Sprintf("nothing is done yet: to %s takes a second person, who approves request %s until %s; on the page under Approvals, or by POST /api/v1/approvals/%s/approve",
		a.Title(), a.ID, a.Until.Format(time.RFC3339), a.ID)
}

// Unwrap returns the refusal for errors.Is.
func (w *Waits) Unwrap() error { return report.SecondPerson }

// wait enters a request that waits for a second person. A repeated request gets
// the one that waits already. The error is an *[Error] of a *[Waits].
func (s *Service) wait(ctx context.Context, a journal.Approval) error {
	if a.Who == "" {
		return refuse(fmt.Errorf("it takes a second person, and it is not known who asks: %w", report.SamePerson))
	}
	s.asks.Lock()
	defer s.asks.Unlock()
	j := s.r.kept.Load().journal
	a.At = s.r.Clock.Now()
	all, err := j.Approvals(ctx, a.At, approvalsListed)
	if err != nil {
		return &Error{ExitBug, err}
	}
	own := 0
	for _, b := range all {
		if b.Who != a.Who || approvalState(b, a.At) != journal.Waiting {
			continue
		}
		if own++; b.Action == a.Action && b.Scheduled == a.Scheduled && b.Only == a.Only && (b.Run == a.Run && b.Target == a.Target) && b.Source == a.Source && b.Reason == a.Reason && b.Change == a.Change {
			return &Error{ExitWaits, &Waits{approvalOf(b, a.At)}}
		}
	}
	if own >= approvalsEach {
		return &Error{ExitRunning, fmt.Errorf("%d requests of %s wait for a second person already, which is the most that may wait: nothing was entered; withdraw some of them, or let a second person decide about them", own, a.By)}
	}
	if a.ID, err = journal.NewRunID(a.At); err != nil {
		return &Error{ExitBug, err}
	}
	a.Until, a.State = a.At.Add(approvalTime), journal.Waiting
	if err := j.EnterApproval(ctx, a); err != nil {
		return &Error{ExitBug, err}
	}
	w := &Waits{approvalOf(a, a.At)}
	s.r.Log.Warn("a request waits for a second person", "request", a.ID, "action", w.Approval.Title(), "by", a.By, "change", a.Change, "reason", a.Reason, "until", a.Until)
	return &Error{ExitWaits, w}
}

// approvalState returns the state of a request at a time. A request also expires
// if the clock was set back too far.
func approvalState(a journal.Approval, now time.Time) string {
	if a.State == journal.Waiting && (!now.Before(a.Until) || now.Before(a.At.Add(-journal.ClockSteps))) {
		return journal.Expired
	}
	return a.State
}

func approvalOf(a journal.Approval, now time.Time) report.Approval {
	return report.Approval{ID: a.ID, Action: a.Action, Plan: a.Plan, File: a.Origin, Only: a.Only, Run: a.Run, Target: a.Target, Plans: a.Plans, Since: a.At, Until: a.Until, By: a.By, Reason: a.Reason,
		Change: a.Change, State: approvalState(a, now), Decided: a.Decided.At, DecidedBy: a.Decided.By, Why: a.Decided.Reason, Message: a.Message, Who: a.Who}
}

// Approvals returns requests that wait for a second person, or have waited: first
// those that wait now, then the others, each the newest first.
func (s *Service) Approvals(ctx context.Context) ([]report.Approval, error) {
	all, err := s.r.kept.Load().journal.Approvals(ctx, s.r.Clock.Now(), approvalsListed)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	out := []report.Approval{}
	for _, a := range all {
		out = append(out, approvalOf(a, s.r.Clock.Now()))
	}
	return out, nil
}

// DecideRequest is a person's decision about a waiting request.
type DecideRequest struct {
	ID      string
	Approve bool // false: the request is refused, or withdrawn if the person who asked decides
	By      string
	Who     string // a stable and unique key of the person who decides
	Reason  string
}

// Decide approves or refuses a waiting request. If it approves, it does once what
// was asked for, in the name of both persons. It checks no permissions. The error
// says why nothing was done; the returned request is in its present state.
func (s *Service) Decide(ctx context.Context, q DecideRequest) (report.Approval, error) {
	j := s.r.kept.Load().journal
	now := s.r.Clock.Now()
	if err := j.ExpireApprovals(ctx, now); err != nil { // for good, even if the clock is set
		return report.Approval{}, &Error{ExitBug, err}
	}
	a, err := j.Approval(ctx, q.ID)
	if err != nil {
		return report.Approval{}, &Error{ExitBug, err}
	}
	if a == nil {
		return report.Approval{}, refuse(fmt.Errorf("there is no request %s: %w", q.ID, report.NotServed))
	}
	own := q.Who == a.Who
	switch state := approvalState(*a, now); {
	case state == journal.Expired:
		err = fmt.Errorf("request %s has expired: it waited from %s until %s; ask for it anew: %w", a.ID, a.At.Format(time.RFC3339), a.Until.Format(time.RFC3339), report.OverAlready)
	case state != journal.Waiting:
		err = fmt.Errorf("request %s was %s by %s at %s: %w", a.ID, state, a.Decided.By, a.Decided.At.Format(time.RFC3339), report.OverAlready)
	case q.Who == "":
		err = fmt.Errorf("it is not known who decides: %w", report.SamePerson)
	case q.Approve && (own || strings.EqualFold(q.By, a.By)): // a record cannot tell two persons of one name apart
		err = fmt.Errorf("%s has asked for this: another person has to approve it: %w", a.By, report.SamePerson)
	}
	if err != nil {
		return approvalOf(*a, now), refuse(err)
	}
	d := journal.Decision{ID: a.ID, State: journal.Refused, Run: a.Run, Asked: journal.Asked{At: now, By: q.By, Reason: q.Reason}}
	switch {
	case q.Approve:
		d.State = journal.Approved
		err = s.approve(ctx, *a, d)
	case own:
		d.State = journal.Withdrawn
		err = s.decided(ctx, d)
	default:
		err = s.decided(ctx, d)
	}
	if err == nil {
		s.r.Log.Warn("a request that waited was decided about", "request", a.ID, "state", d.State, "action", approvalOf(*a, now).Title(), "asked by", a.By, "decided by", q.By, "reason", q.Reason)
	}
	if b, unread := j.Approval(ctx, a.ID); unread == nil && b != nil {
		a = b
	}
	return approvalOf(*a, now), err
}

// decided enters a decision. It refuses one that comes too late.
func (s *Service) decided(ctx context.Context, d journal.Decision) error {
	err := s.r.kept.Load().journal.Decide(ctx, d)
	if errors.Is(err, journal.ErrNotFound) {
		return refuse(fmt.Errorf("somebody has decided about request %s already, or its time is over: %w", d.ID, report.OverAlready))
	}
	if err != nil {
		return &Error{ExitBug, err}
	}
	return nil
}

// approve does what was asked for. It enters the decision before it does
// anything, so that nothing is done twice, whenever the server ends.
func (s *Service) approve(ctx context.Context, a journal.Approval, d journal.Decision) error {
	if err := s.hasRead(); err != nil {
		return err
	}
	both, reason := a.By+" and "+d.By, a.Reason
	if d.Reason != "" {
		reason = strings.TrimSpace(reason + " (approved: " + d.Reason + ")")
	}
	var do func() error
	now := a.Source
	switch a.Action {
	case report.ActionStart:
		run, err := journal.NewRunID(d.At)
		if err != nil {
			return &Error{ExitBug, err}
		}
		d.Run = run
		_, err = s.begin(ctx, journal.Start{Scheduled: a.Scheduled, Run: run, Only: a.Only, Asked: journal.Asked{By: both, Reason: reason, Change: a.Change}, Claim: &d, Source: a.Source})
		return err
	case report.ActionCancel:
		do = func() error {
			return s.cancel(ctx, CancelRequest{Run: a.Run, By: both, Reason: reason, Change: a.Change})
		}
	case report.ActionAcknowledge:
		_, now, _ = s.acknowledged(ctx, a.Target)
		do = func() error {
			_, err := s.r.Acknowledge(ctx, AcknowledgeRequest{Target: a.Target, By: both, Who: a.Who, Reason: reason, Change: a.Change})
			return err
		}
	case report.ActionRelease:
		now = stopsDigest(s.r.Owed(ctx).Stops, "")
		do = func() error {
			_, err := s.r.Hold(ctx, HoldRequest{Release: true, By: fmt.Sprintf("%s (%s)", both, strings.TrimSpace(reason+" "+a.Change))})
			return err
		}
	default:
		return &Error{ExitBug, fmt.Errorf("this dprun does not know the action %q", a.Action)}
	}
	if now != a.Source {
		return refuse(fmt.Errorf("what request %s is about is not as it was when %s asked: look again, and ask for it anew: %w", a.ID, a.By, report.OverAlready))
	}
	d.Message = unknownDeed
	if err := s.decided(ctx, d); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // it is decided: whether the person who approved it still listens no longer counts
	err, message := do(), ""
	if err != nil {
		message = report.Plain(err)
	}
	if lost := s.r.kept.Load().journal.NoteApproval(ctx, a.ID, message); lost != nil {
		s.r.Log.Error("it cannot be entered what became of an approved request", "request", a.ID, "why", err, "error", lost)
	}
	return err
}

// waited returns the result of a request that had a key and waited for a second
// person: the run that has begun, or why there is none. It returns nil and no
// error if there is no such request.
func (s *Service) waited(ctx context.Context, q StartRequest) (*report.Started, error) {
	a, err := s.r.kept.Load().journal.ApprovalByKey(ctx, q.Who, q.Key)
	if err != nil || a == nil {
		return nil, refuse(err)
	}
	now := s.r.Clock.Now()
	switch state := approvalState(*a, now); {
	case a.Digest != q.Digest:
		err = fmt.Errorf("the key %q stands for another request, which waits for a second person; use a key of its own for each request: %w", q.Key, report.OtherRequest)
	case state == journal.Waiting:
		return nil, &Error{ExitWaits, &Waits{approvalOf(*a, now)}}
	case state == journal.Approved:
		st, err := s.Started(ctx, a.Run)
		return &st, err
	case state == journal.Expired:
		err = fmt.Errorf("no second person has approved request %s until %s; ask for it anew, with a key of its own: %w", a.ID, a.Until.Format(time.RFC3339), report.OverAlready)
	default:
		err = fmt.Errorf("request %s was %s by %s (%s): %w", a.ID, state, a.Decided.By, a.Decided.Reason, report.OverAlready)
	}
	return nil, refuse(err)
}

// keepsDown reports whether a run keeps something quiesced now. If that is
// unknown, it returns true.
func (s *Service) keepsDown(ctx context.Context, run string) bool {
	left := s.r.Owed(ctx)
	return left.Unknown != nil || slices.ContainsFunc(left.Owed, func(o report.Owed) bool { return o.Run == run && o.Kind == "unquiesce" })
}

// fourEyes reports whether any served plan requires a second person. A plan that
// cannot be read may require one.
func (s *Service) fourEyes() bool {
	if s.plans.unknown.Load() {
		return true
	}
	for _, p := range s.all() {
		if p.report.FourEyes {
			return true
		}
	}
	return false
}

// acknowledged returns the plans that an acknowledgement concerns, a digest of
// the things that it is about, and whether one of the plans requires a second
// person. If these plans are not all known, every served plan counts.
func (s *Service) acknowledged(ctx context.Context, target string) (plans []string, source string, second bool) {
	left := s.r.Owed(ctx)
	known := left.Unknown == nil
	var about []string
	for _, o := range left.Owed {
		if (o.Device == target || o.Run == target) && !o.Held {
			plans = append(plans, o.Plan)
			about = append(about, fmt.Sprintf("%q %q %q %q", o.Run, o.Task, o.Kind, o.ID))
		}
	}
	served := map[string]bool{}
	for key, p := range s.all() {
		served[key.Plan] = true
		if _, has := p.report.Devices[target]; has {
			plans = append(plans, key.Plan)
		}
	}
	slices.Sort(plans)
	plans = slices.Compact(plans)
	for key, p := range s.all() {
		second = second || p.report.FourEyes && slices.Contains(plans, key.Plan)
	}
	if !known || s.plans.unknown.Load() || len(plans) == 0 || slices.ContainsFunc(plans, func(name string) bool { return !served[name] }) {
		second = s.fourEyes()
	}
	slices.Sort(about)
	about = append(about, plans...)
	sum := sha256.Sum256([]byte(strings.Join(append(about, stopsDigest(left.Stops, target)), "\n")))
	return plans, hex.EncodeToString(sum[:]), second
}

// stopsDigest returns a digest of what stops quiesces because of a device; with
// an empty device, of the holds.
func stopsDigest(stops []report.Stop, device string) string {
	var lines []string
	for _, x := range stops {
		if x.Device == device {
			lines = append(lines, fmt.Sprintf("%q %q %d", x.Environment, cmp.Or(x.Run, x.By), x.Since.UnixNano()))
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}
