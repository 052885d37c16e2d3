package lifecycle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// RequestLimit bounds one request to a device. A gateway may take a minute to
// answer while it quiesces.
const RequestLimit = 90 * time.Second

// HealthLimit bounds one reading of objects, which is a request for every
// domain of a gateway.
const HealthLimit = 3 * time.Minute

// arrivesWithin is how long after its sending a quiesce may still take effect:
// as long as its request may take, and a little for the clocks.
const arrivesWithin = RequestLimit + 10*time.Second

// DebtSpec holds everything that the way back of one quiesce needs. It is
// journalled and is in the pending file, so that any process can bring the
// target back.
type DebtSpec struct {
	Device string `json:"device"`
	Domain string `json:"domain,omitempty"` // empty: the whole device
	// Domains were in service before the quiesce, and must be again.
	Domains []string `json:"domains,omitempty"`
	// QuiescedAt is the time right before the quiesce was sent.
	QuiescedAt time.Time     `json:"quiesced_at,omitzero"`
	Unquiesce  time.Duration `json:"unquiesce,omitempty"`
	Grace      time.Duration `json:"grace,omitempty"`
	Seed       uint64        `json:"seed,omitempty"` // of the jitter
	Felt       bool          `json:"felt,omitempty"` // the target was seen to follow the quiesce
	// Up are the objects that carried traffic before the quiesce, and must do
	// so again within Healthy of the target's return.
	Up      Objects       `json:"up,omitempty"`
	Healthy time.Duration `json:"healthy,omitempty"`
}

// restartLeast is the least time of an attempt that reads the state first.
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
type debtState string

const (
	debtOpen     debtState = ""        // the target is down, and nothing was asked yet
	debtLooking  debtState = "looking" // somebody else may have begun: the state is read first
	debtSending  debtState = "sending" // an unquiesce is on its way, or waits to be repeated
	debtPolling  debtState = "polling" // the state is read until the target is back
	debtHealing  debtState = "healing" // it is back, and its objects are read until they are up
	debtReturned debtState = "returned"
	debtGaveUp   debtState = "gave up"
	debtUnwell   debtState = "unwell" // gave up: the target is in service, and not every object is up
)

type debtEvent string

const (
	debtBegins   debtEvent = "begun"
	debtRestarts debtEvent = "restarted"
	debtSent     debtEvent = "unquiesce accepted"
	debtUnsent   debtEvent = "unquiesce failed: it is repeated"
	debtReadBack debtEvent = "read: explicitly in service"
	debtReadIn   debtEvent = "read: explicitly in service, and its objects are to be looked at"
	debtReadUp   debtEvent = "read: what was up is up"
	debtReadPart debtEvent = "read: what was missing is up, and all is looked at once more"
	debtReadIll  debtEvent = "read: what was up is not up, or not known to be"
	debtReadWait debtEvent = "read: not in service, or not yet for good"
	debtReadDown debtEvent = "read: not in service, and it is time to ask again"
	debtTimesOut debtEvent = "time-out"
	debtDenied   debtEvent = "login refused again"
	debtStays    debtEvent = "recovery did not bring it back"
	debtStaysIll debtEvent = "recovery brought it back, and not healthy"
)

// debts is the table of the way back. Only explicit readings lead to returned.
// An attempt that has ended can only be started anew.
var debts = newTable("debt", "The way back of a target: in a task, after a replay, and from a pending file alike.", []row[debtState, debtEvent]{
	{debtOpen, debtBegins, debtSending, ""},
	{debtOpen, debtRestarts, debtLooking, ""},
	{debtLooking, debtRestarts, debtLooking, ""},
	{debtSending, debtRestarts, debtLooking, ""},
	{debtPolling, debtRestarts, debtLooking, ""},
	{debtHealing, debtRestarts, debtLooking, ""},
	{debtGaveUp, debtRestarts, debtLooking, ""},
	{debtUnwell, debtRestarts, debtLooking, ""},
	{debtLooking, debtReadBack, debtReturned, ""},
	{debtLooking, debtReadWait, debtPolling, ""},
	{debtLooking, debtReadDown, debtSending, ""},
	{debtSending, debtUnsent, debtSending, ""},
	{debtSending, debtSent, debtPolling, ""},
	{debtPolling, debtReadBack, debtReturned, ""},
	{debtPolling, debtReadWait, debtPolling, ""},
	{debtPolling, debtReadDown, debtSending, ""},
	{debtLooking, debtReadIn, debtHealing, ""},
	{debtPolling, debtReadIn, debtHealing, ""},
	{debtHealing, debtReadUp, debtReturned, ""},
	{debtHealing, debtReadPart, debtHealing, ""},
	{debtHealing, debtReadIll, debtHealing, ""},
	{debtHealing, debtTimesOut, debtUnwell, ""},
	{debtHealing, debtDenied, debtUnwell, ""},
	{debtLooking, debtTimesOut, debtGaveUp, ""},
	{debtSending, debtTimesOut, debtGaveUp, ""},
	{debtPolling, debtTimesOut, debtGaveUp, ""},
	{debtSending, debtDenied, debtGaveUp, ""},
	{debtPolling, debtDenied, debtGaveUp, ""},
	{debtLooking, debtStays, debtGaveUp, ""},
	{debtLooking, debtStaysIll, debtUnwell, ""},
})

// arrival is whether the quiesce may still take effect.
type arrival string

const (
	arrivalOpen    arrival = ""
	arrivalSeen    arrival = "seen"    // the target was seen to follow it
	arrivalRefused arrival = "refused" // the device refused it
)

type arrivalEvent string

const (
	arrivalShows   arrivalEvent = "the target shows it"
	arrivalRefuses arrivalEvent = "the device refuses it"
)

var arrivals = newTable("arrival", "Whether a quiesce that was sent may still take effect. Until that is settled, \"in service\" does not count.", []row[arrival, arrivalEvent]{
	{arrivalOpen, arrivalShows, arrivalSeen, ""},
	{arrivalSeen, arrivalShows, arrivalSeen, ""},
	{arrivalRefused, arrivalShows, arrivalSeen, ""},
	{arrivalOpen, arrivalRefuses, arrivalRefused, ""},
})

// haste is how much time an attempt has.
type haste string

const (
	hasteNone  haste = ""        // the time-out and the grace
	hasteLooks haste = "longer"  // restarted: time for more than one reading
	hasteHurry haste = "hurried" // no grace
)

type hasteEvent string

const (
	hasteRestarts hasteEvent = "restarted"
	hasteHurries  hasteEvent = "asked twice to stop"
)

var hastes = newTable("haste", "How much time one attempt at a way back has.", []row[haste, hasteEvent]{
	{hasteNone, hasteRestarts, hasteLooks, ""},
	{hasteLooks, hasteRestarts, hasteLooks, ""},
	{hasteHurry, hasteRestarts, hasteHurry, ""},
	{hasteNone, hasteHurries, hasteHurry, ""},
	{hasteLooks, hasteHurries, hasteHurry, ""},
	{hasteHurry, hasteHurries, hasteHurry, ""},
})

// Debt is the machine of the way back. It sends the unquiesce, reads the state
// until the target is explicitly in service, and reads the target's objects
// until those that were up before the quiesce are up. A task uses it, and so
// does a process that finds the pending file of a dead task. It is not replayed
// but restarted: it reads, acts, and reads again.
type Debt struct {
	spec  DebtSpec
	state debtState
	since time.Time // the time-out counts from here

	attempt int       // of the unquiesce request, from 1
	sendAt  time.Time // not before, for the latest request
	sentAt  time.Time // when the latest request was accepted; zero: none was
	polls   polls
	haste   haste

	arrival arrival
	down    map[string]bool // domains that were seen out of service
	missing string          // what the latest reading lacks for a return
	detail  string          // what the device left out of the latest reading, or said instead
	unread  string          // why the latest reading failed
	refusal string          // why the latest request failed, or the login
	denials int             // logins refused
	healing healing
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
	d := &Debt{spec: spec, down: map[string]bool{}}
	if spec.Felt {
		d.show()
	}
	return d
}

// Spec returns what the debt was made from, with what was seen since.
func (d *Debt) Spec() DebtSpec {
	s := d.spec
	s.Felt = d.arrival == arrivalSeen
	return s
}

// Returned reports whether the target was explicitly seen in service, with
// every object up that must be.
func (d *Debt) Returned() bool { return d != nil && d.state == debtReturned }

// GaveUp reports whether the attempt ended and the target did not return.
func (d *Debt) GaveUp() bool { return d != nil && (d.state == debtGaveUp || d.state == debtUnwell) }

// Denied reports whether the attempt ended because the login was refused.
func (d *Debt) Denied() bool { return d.ended() && d.denials >= maxDenials }

func (d *Debt) begun() bool { return d != nil && d.state != debtOpen }

func (d *Debt) on(e debtEvent) { d.state = debts.after(d.state, e) }

// show notes that the target follows the quiesce.
func (d *Debt) show() { d.arrival = arrivals.after(d.arrival, arrivalShows) }

// Refuse notes that the device refused the quiesce, so that it cannot take
// effect.
func (d *Debt) Refuse() { d.arrival = arrivals.after(d.arrival, arrivalRefuses) }

// ended reports whether the attempt is over.
func (d *Debt) ended() bool { return d.Returned() || d.GaveUp() }

// Begin sends the unquiesce at once.
func (d *Debt) Begin(now time.Time) {
	d.since, d.attempt, d.sendAt = now, 1, now
	d.on(debtBegins)
}

// Restart reads the state first, because another process may have worked on it.
func (d *Debt) Restart(now time.Time) {
	d.since, d.denials, d.refusal, d.unread = now, 0, "", ""
	d.healing = healing{polls: d.healing.polls}
	d.haste = hastes.after(d.haste, hasteRestarts)
	d.polls.n++
	d.polls.at = now
	d.on(debtRestarts)
}

// Hurry gives up the grace, because somebody asked twice to stop.
func (d *Debt) Hurry() { d.haste = hastes.after(d.haste, hasteHurries) }

// Observe notes a reading, on the way down too.
func (d *Debt) Observe(r *sdk.QuiesceReport) {
	if r == nil {
		return
	}
	d.polls.state, d.detail = r.State, r.Detail
	if feels(r.State) {
		d.show()
	}
	for name, s := range r.Domains {
		if feels(s) && (d.spec.Domain == "" || d.spec.Domain == name) {
			d.down[name] = true
			d.show()
		}
	}
}

// allDown reports whether a reading shows as quiesced every domain that is to
// be.
func (d *Debt) allDown(r *sdk.QuiesceReport) bool {
	return !slices.ContainsFunc(d.spec.Domains, func(name string) bool { return r.Domains[name] != sdk.StateQuiesced })
}

// limit is when the attempt ends. It does not end while the quiesce may still
// take effect: until then a reading says nothing.
func (d *Debt) limit() time.Time {
	if d.state == debtHealing {
		return d.healing.since.Add(d.healthLimit())
	}
	at := d.since.Add(d.spec.Unquiesce)
	if d.haste == hasteHurry {
		return at
	}
	at = at.Add(d.spec.Grace)
	if least := d.since.Add(restartLeast); d.haste == hasteLooks && at.Before(least) {
		at = least
	}
	if until, open := d.arrives(d.since); open && at.Before(until.Add(2*pollMost)) {
		at = until.Add(2 * pollMost)
	}
	return at
}

// healthLimit is how long the objects may take. After a second request to stop
// it is short.
func (d *Debt) healthLimit() time.Duration {
	if d.haste == hasteHurry {
		return min(d.spec.Healthy, restartLeast)
	}
	return d.spec.Healthy
}

// arrives returns until when the quiesce may take effect, and whether that is
// still possible at a time: it was not refused, and no reading has shown it.
func (d *Debt) arrives(now time.Time) (until time.Time, open bool) {
	until = d.spec.QuiescedAt.Add(arrivesWithin)
	return until, d.arrival == arrivalOpen && now.Before(until)
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
	case debtHealing:
		next = Action{ActionID: ActionID{Kind: ActHealthBack, Attempt: d.healing.polls.n}, NotBefore: d.healing.polls.at, Domains: d.healing.only}
	default:
		return nil
	}
	timer := Action{ActionID: ActionID{Kind: ActUnquiesceTimer}, NotBefore: d.limit()}
	next.Device, next.Domain, timer.Device, timer.Domain = d.spec.Device, d.spec.Domain, d.spec.Device, d.spec.Domain
	return []Action{timer, next}
}

// Finish folds the result of a pending action.
func (d *Debt) Finish(now time.Time, a Action, r *event.Result, f *failure.Error) {
	r = cmp.Or(r, &event.Result{})
	switch {
	case d.ended():
	case a.Kind == ActUnquiesceTimer:
		if !now.Before(d.limit()) {
			d.on(debtTimesOut)
		}
	case f != nil && d.lockedOut(f):
		d.on(debtDenied)
	case a.Kind == ActUnquiesce:
		d.onSent(now, f)
	case a.Kind == ActUnquiesceState:
		d.onRead(now, r.Quiesce, f)
	case a.Kind == ActHealthBack:
		d.onHealth(now, r.Health, f)
	}
}

// onSent: unlike a quiesce an unquiesce is safe to repeat, and it is repeated
// until the limit.
func (d *Debt) onSent(now time.Time, f *failure.Error) {
	if f != nil {
		d.refusal = f.Error()
		d.sendAt = now.Add(backoff(d.spec.Seed, d.id("unquiesce"), d.attempt))
		d.attempt++
		d.on(debtUnsent)
		return
	}
	d.sentAt, d.refusal = now, ""
	d.polls.next(now, d.spec.Seed, d.id("unquiesce_state"))
	d.on(debtSent)
}

func (d *Debt) id(of string) string { return d.spec.Device + "/" + d.spec.Domain + "/" + of }

// onRead judges a reading. Only an explicit reading ends the way back.
func (d *Debt) onRead(now time.Time, r *sdk.QuiesceReport, f *failure.Error) {
	d.unread, d.refusal = "", ""
	if f != nil {
		d.unread = f.Error()
	} else {
		before := d.arrival
		if d.Observe(r); d.arrival == arrivalSeen && before != arrivalSeen {
			d.since = now // it went down only now: the time-out counts from here
		}
	}
	d.missing = d.lacks(r, f)
	_, late := d.arrives(now)
	switch {
	case d.missing == "" && !late && len(d.spec.Up) > 0:
		d.beginHealing(now)
	case d.missing == "" && !late:
		d.on(debtReadBack)
	case d.missing != "" && d.askAgain(now):
		d.attempt, d.sendAt = d.attempt+1, now
		d.on(debtReadDown)
	default:
		d.polls.next(now, d.spec.Seed, d.id("unquiesce_state"))
		d.on(debtReadWait)
	}
}

// askAgain reports whether to send the unquiesce once more. A target that is
// coming back gets time, and so does one that was asked just now.
func (d *Debt) askAgain(now time.Time) bool {
	if d.polls.state == sdk.StateUnquiescing && !d.sentAt.IsZero() && d.unread == "" {
		return false
	}
	return d.sentAt.IsZero() || now.Sub(d.sentAt) >= unquiesceAgain
}

// lacks returns what a reading lacks to show the target in service; empty:
// nothing. Every domain that was in service before, or was seen down since, must
// be in the reading and explicitly normal.
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

// maxDenials is how often a login may be refused on the way back. More attempts
// would lock the account, for people too.
const maxDenials = 2

func (d *Debt) lockedOut(f *failure.Error) bool {
	if !credentialRefused(f) {
		return false
	}
	d.denials++
	d.refusal = f.Error()
	return d.denials >= maxDenials
}

// Waiting returns what keeps a target that may be back from counting as back,
// and until when; empty: only the target itself.
func (d *Debt) Waiting(now time.Time) string {
	until, open := d.arrives(now)
	if !open {
		return ""
	}
	return fmt.Sprintf("the quiesce was not seen to take effect and still may until %s: the target counts as back when it is in service after that", until.UTC().Format(time.RFC3339))
}

// Trouble says how the target was last seen and what stood in the way.
func (d *Debt) Trouble() string {
	if len(d.healing.lacks) > 0 && (d.state == debtHealing || d.state == debtUnwell) {
		return "in service; not up: " + listed(d.healing.lacks)
	}
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

// Complaint is the message that the target did not come back, and what to type.
func (d *Debt) Complaint() string {
	if d.state == debtUnwell {
		return fmt.Sprintf("%s IS IN SERVICE AGAIN, AND NOT HEALTHY: what carried traffic before the quiesce is not up %s after the return: %s. "+
			"Look at it on the appliance (show object-status in the domain; its log says why) and bring it up; then: dprun recover, which looks again",
			d.spec.Target(), d.healthLimit(), cmp.Or(listed(d.healing.lacks), cmp.Or(d.refusal, "the objects were not read")))
	}
	return fmt.Sprintf("%s DID NOT COME BACK within %s + grace (%s). It may still be out of service. On the appliance: configure terminal; %s; then: dprun recover",
		d.spec.Target(), d.spec.Unquiesce, d.Trouble(), d.spec.command())
}

// feels reports whether a state shows that a quiesce has arrived.
func feels(s sdk.QuiesceState) bool {
	return s == sdk.StateQuiescing || s == sdk.StateQuiesced || s == sdk.StateUnquiescing || s == sdk.StateError
}
