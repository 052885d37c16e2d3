package lifecycle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// RequestLimit bounds one request to a device. A gateway may take a minute to
// answer while it quiesces.
const RequestLimit = 90 * time.Second

// arrivesWithin is how long a quiesce may still take effect after it was sent:
// as long as its request may take, and a little for the clocks.
const arrivesWithin = RequestLimit + 10*time.Second

// DebtSpec is all that the way back of one quiesce needs. It is journalled and
// stands in the pending file, so that any process can bring the target back.
type DebtSpec struct {
	Device string `json:"device"`
	Domain string `json:"domain,omitempty"` // empty: the whole device
	// Domains were in service before the quiesce, and must be again.
	Domains []string `json:"domains,omitempty"`
	// QuiescedAt is when the quiesce was about to be sent.
	QuiescedAt time.Time     `json:"quiesced_at,omitzero"`
	Unquiesce  time.Duration `json:"unquiesce,omitempty"`
	Grace      time.Duration `json:"grace,omitempty"`
	Seed       uint64        `json:"seed,omitempty"` // of the jitter
	Felt       bool          `json:"felt,omitempty"` // the target was seen to follow the quiesce
}

// restartLeast is the least time that an attempt has which looks first.
const restartLeast = 30 * time.Second

// Target names what was quiesced, for messages.
func (s DebtSpec) Target() string {
	if s.Domain == "" {
		return "device " + s.Device
	}
	return fmt.Sprintf("domain %s of %s", s.Domain, s.Device)
}

// command is the appliance's own command line to do it by hand.
func (s DebtSpec) command() string {
	if s.Domain == "" {
		return "appliance-unquiesce"
	}
	return "domain-unquiesce " + s.Domain
}

// debtState is where a way back stands.
type debtState int

const (
	debtOpen     debtState = iota // the target is down, and nothing was asked yet
	debtLooking                   // somebody else may have begun: the state is read first
	debtSending                   // an unquiesce is on its way, or waits to be repeated
	debtPolling                   // the state is read until the target is back
	debtReturned                  // the target was explicitly seen in service
	debtGaveUp                    // out of time, or the login is refused
)

var debtStates = [...]string{"open", "looking", "sending", "polling", "returned", "gave up"}

func (s debtState) String() string { return debtStates[s] }

// debtMoves lists the states that may follow each state. Only an explicit
// reading leads to returned.
var debtMoves = map[debtState][]debtState{
	debtOpen:     {debtSending, debtLooking},
	debtLooking:  {debtSending, debtPolling, debtReturned, debtGaveUp, debtLooking},
	debtSending:  {debtPolling, debtGaveUp, debtLooking},
	debtPolling:  {debtSending, debtReturned, debtGaveUp, debtLooking},
	debtReturned: {},
	debtGaveUp:   {debtLooking},
}

// Debt is the machine of the way back: it sends the unquiesce and reads the
// state until the target is explicitly in service. A task uses it, and so does
// whoever finds the pending file of a task that died. It is not replayed but
// restarted: it reads, acts and reads.
type Debt struct {
	spec  DebtSpec
	state debtState
	since time.Time // the time-out counts from here

	attempt int       // of the unquiesce request, from 1
	sendAt  time.Time // not before, for the latest request
	sentAt  time.Time // when the latest request was accepted; zero: none was
	polls   polls
	hurry   bool // no grace
	again   bool // restarted: the attempt is given time for more than one reading

	felt    bool            // the target was seen to follow the quiesce
	refused bool            // the device refused the quiesce: it cannot arrive
	down    map[string]bool // domains that were seen out of service
	missing string          // what the latest reading lacks for a return
	detail  string          // what the device left out of the latest reading, or said instead
	unread  string          // why the latest reading failed
	refusal string          // why the latest request failed, or the login
	denials int             // logins refused
}

// polls counts readings of a state.
type polls struct {
	n     int // of the reading under way, from 1
	at    time.Time
	state sdk.QuiesceState
}

// next plans the next reading.
func (p *polls) next(now time.Time, seed uint64, id string) {
	p.n++
	p.at = now.Add(backoff(seed, id, p.n))
}

// NewDebt returns the way back of a quiesce that was sent, or is about to be.
func NewDebt(spec DebtSpec) *Debt {
	return &Debt{spec: spec, felt: spec.Felt, down: map[string]bool{}}
}

// Spec is what the debt was made from, and what was seen since.
func (d *Debt) Spec() DebtSpec {
	s := d.spec
	s.Felt = d.felt
	return s
}

// Returned reports whether the target was explicitly seen in service.
func (d *Debt) Returned() bool { return d != nil && d.state == debtReturned }

// GaveUp reports whether the attempt ended without that.
func (d *Debt) GaveUp() bool { return d != nil && d.state == debtGaveUp }

func (d *Debt) begun() bool { return d != nil && d.state != debtOpen }

func (d *Debt) move(to debtState) {
	if !slices.Contains(debtMoves[d.state], to) {
		panic(fmt.Sprintf("the way back of %s goes from %s to %s", d.spec.Target(), d.state, to))
	}
	d.state = to
}

// Begin sends the unquiesce at once.
func (d *Debt) Begin(now time.Time) {
	d.since, d.attempt, d.sendAt = now, 1, now
	d.move(debtSending)
}

// Restart reads the state first: another process may have been at it.
func (d *Debt) Restart(now time.Time) {
	d.since, d.denials, d.refusal, d.unread, d.again = now, 0, "", "", true
	d.polls.n++
	d.polls.at = now
	d.move(debtLooking)
}

// Hurry gives up the grace: somebody asked twice to stop.
func (d *Debt) Hurry() { d.hurry = true }

// Observe notes a reading, on the way down too.
func (d *Debt) Observe(r *sdk.QuiesceReport) {
	if r == nil {
		return
	}
	d.polls.state, d.detail = r.State, r.Detail
	d.felt = d.felt || feels(r.State)
	for name, s := range r.Domains {
		if feels(s) && (d.spec.Domain == "" || d.spec.Domain == name) {
			d.felt, d.down[name] = true, true
		}
	}
}

// allDown reports whether a reading shows every domain quiesced that is to be.
func (d *Debt) allDown(r *sdk.QuiesceReport) bool {
	for _, name := range d.spec.Domains {
		if r.Domains[name] != sdk.StateQuiesced {
			return false
		}
	}
	return true
}

// limit is when the attempt ends. It does not end while the quiesce may still
// take effect: until then a reading says nothing.
func (d *Debt) limit() time.Time {
	at := d.since.Add(d.spec.Unquiesce)
	if d.hurry {
		return at
	}
	at = at.Add(d.spec.Grace)
	if least := d.since.Add(restartLeast); d.again && at.Before(least) {
		at = least
	}
	if until, open := d.arrives(d.since); open && at.Before(until.Add(2*pollMost)) {
		at = until.Add(2 * pollMost)
	}
	return at
}

// arrives is until when the quiesce may take effect, and whether that is still
// possible at a time: it was not refused, and nothing was seen of it.
func (d *Debt) arrives(now time.Time) (until time.Time, open bool) {
	until = d.spec.QuiescedAt.Add(arrivesWithin)
	return until, !d.refused && !d.felt && now.Before(until)
}

// Pending is every action that should be in flight now. A reading or a request
// is told by its kind.
func (d *Debt) Pending() []Action {
	var next Action
	switch d.state {
	case debtSending:
		next = Action{ActionID: ActionID{Kind: ActUnquiesce, Attempt: d.attempt}, NotBefore: d.sendAt}
	case debtLooking, debtPolling:
		next = Action{ActionID: ActionID{Kind: ActUnquiesceState, Attempt: d.polls.n}, NotBefore: d.polls.at}
	default:
		return nil
	}
	timer := Action{ActionID: ActionID{Kind: ActUnquiesceTimer}, NotBefore: d.limit()}
	next.Device, next.Domain, timer.Device, timer.Domain = d.spec.Device, d.spec.Domain, d.spec.Device, d.spec.Domain
	return []Action{timer, next}
}

// Finish folds the result of a pending action.
func (d *Debt) Finish(now time.Time, a Action, r *sdk.QuiesceReport, f *failure.Error) {
	switch {
	case d.state == debtReturned || d.state == debtGaveUp:
	case a.Kind == ActUnquiesceTimer:
		if !now.Before(d.limit()) {
			d.move(debtGaveUp)
		}
	case f != nil && d.lockedOut(f):
		d.move(debtGaveUp)
	case a.Kind == ActUnquiesce:
		d.onSent(now, f)
	case a.Kind == ActUnquiesceState:
		d.onRead(now, r, f)
	}
}

// onSent: unlike a quiesce an unquiesce is safe to repeat, and it is repeated
// until the limit.
func (d *Debt) onSent(now time.Time, f *failure.Error) {
	if f != nil {
		d.refusal = f.Error()
		d.sendAt = now.Add(backoff(d.spec.Seed, d.id("unquiesce"), d.attempt))
		d.attempt++
		return
	}
	d.sentAt, d.refusal = now, ""
	d.polls.next(now, d.spec.Seed, d.id("unquiesce_state"))
	d.move(debtPolling)
}

func (d *Debt) id(of string) string { return d.spec.Device + "/" + d.spec.Domain + "/" + of }

// onRead judges a reading. No reading but an explicit one ends the way back.
func (d *Debt) onRead(now time.Time, r *sdk.QuiesceReport, f *failure.Error) {
	d.unread, d.refusal = "", ""
	if f != nil {
		d.unread = f.Error()
	} else {
		felt := d.felt
		if d.Observe(r); d.felt && !felt {
			d.since = now // it went down only now: the time-out counts from here
		}
	}
	d.missing = d.lacks(r, f)
	_, late := d.arrives(now)
	switch {
	case d.missing == "" && !late:
		d.move(debtReturned)
	case d.missing != "" && d.askAgain(now):
		d.attempt, d.sendAt = d.attempt+1, now
		d.move(debtSending)
	default:
		d.polls.next(now, d.spec.Seed, d.id("unquiesce_state"))
		if d.state == debtLooking {
			d.move(debtPolling)
		}
	}
}

// askAgain reports whether the unquiesce is sent once more. A target that is
// on its way back is given time, and so is one that was asked just now.
func (d *Debt) askAgain(now time.Time) bool {
	if d.polls.state == sdk.StateUnquiescing && !d.sentAt.IsZero() && d.unread == "" {
		return false
	}
	return d.sentAt.IsZero() || now.Sub(d.sentAt) >= unquiesceAgain
}

// lacks says what a reading lacks to show the target in service; empty: nothing.
// Every domain that was in service before, or was seen down since, must be
// there and explicitly normal.
func (d *Debt) lacks(r *sdk.QuiesceReport, f *failure.Error) string {
	switch {
	case f != nil:
		return "the state cannot be read"
	case r == nil:
		return "the state was not told"
	case r.State != sdk.StateNormal:
		return "it is " + string(r.State)
	}
	for _, name := range d.expected() {
		switch s, there := r.Domains[name]; {
		case !there:
			return fmt.Sprintf("domain %s is not in the gateway's list", name)
		case s != sdk.StateNormal:
			return fmt.Sprintf("domain %s is %s", name, s)
		}
	}
	return ""
}

// expected lists the domains that a reading must show in service.
func (d *Debt) expected() []string {
	names := slices.Collect(maps.Keys(d.down))
	names = append(names, d.spec.Domains...)
	slices.Sort(names)
	return slices.Compact(names)
}

// maxDenials is how often a login may be refused on the way back: more
// attempts would lock the account, and with it everybody who could help.
const maxDenials = 2

func (d *Debt) lockedOut(f *failure.Error) bool {
	if !credentialRefused(f) {
		return false
	}
	d.denials++
	d.refusal = f.Error()
	return d.denials >= maxDenials
}

// Waiting says what keeps a target that may be back from counting as back, and
// until when; empty: nothing but the target.
func (d *Debt) Waiting(now time.Time) string {
	until, open := d.arrives(now)
	if !open {
		return ""
	}
	return fmt.Sprintf("the quiesce was not seen to take effect and still may until %s: the target counts as back when it is in service after that", until.UTC().Format(time.RFC3339))
}

// Trouble says how the target was last seen and what stood in the way.
func (d *Debt) Trouble() string {
	parts := []string{"last state: unknown"}
	if d.polls.state != "" {
		parts[0] = "last state: " + string(d.polls.state)
	}
	problem := cmp.Or(d.refusal, d.unread)
	switch {
	case problem != "":
		parts = append(parts, "last error: "+problem)
	case d.detail != "":
		parts = append(parts, d.detail)
	case d.missing != "" && d.polls.state == sdk.StateNormal:
		parts = append(parts, d.missing)
	}
	return strings.Join(parts, "; ")
}

// Complaint says that the target did not come back, and what to type.
func (d *Debt) Complaint() string {
	return fmt.Sprintf("%s DID NOT COME BACK within %s + grace (%s). It may still be out of service. On the appliance: configure terminal; %s; then: dprun recover",
		d.spec.Target(), d.spec.Unquiesce, d.Trouble(), d.spec.command())
}

// feels reports whether a state shows that a quiesce has arrived.
func feels(s sdk.QuiesceState) bool {
	return s == sdk.StateQuiescing || s == sdk.StateQuiesced || s == sdk.StateUnquiescing || s == sdk.StateError
}
