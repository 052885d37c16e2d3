package lifecycle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// survey is what was read about a target's objects before its quiesce: once with
// the device check, and once right before the quiesce. An object on which the
// two readings differ changes by itself, so it need not be up after the return.
type survey struct {
	first, second call
	readings      []*sdk.HealthReport // those that came, in their order
	why           string              // the latest that failed did so
}

// surveys reports whether the objects are looked at.
func (t *Task) surveys() bool { return t.quiesces() && t.spec.Timeouts.Healthy > 0 }

func (t *Task) beginSurvey(c *call) {
	if t.surveys() {
		c.begin(t.now)
	}
}

func (t *Task) pendingSurvey(add func(Action)) {
	if c := t.survey.first; c.asking() {
		add(Action{ActionID: ActionID{Kind: ActHealth, Attempt: c.attempt}, NotBefore: c.notBefore})
	}
	if c := t.survey.second; c.asking() {
		add(Action{ActionID: ActionID{Kind: ActHealthAgain, Attempt: c.attempt}, NotBefore: c.notBefore})
	}
}

// onSurvey folds a reading. A failed reading does not keep the task from its
// backup, because an account may make backups and not be allowed to read the
// state of objects. A warning names what was not read.
func (t *Task) onSurvey(a Action, r *sdk.HealthReport, f *failure.Error) {
	c := &t.survey.first
	if a.Kind == ActHealthAgain {
		c = &t.survey.second
	}
	t.settle(c, a, f)
	switch {
	case f != nil:
		t.survey.why = f.Error()
	case r == nil:
		t.survey.why = "the device did not tell them"
	default:
		t.survey.readings = append(t.survey.readings, r)
	}
}

// surveyed reports whether a reading is over and the task goes on. The task ends
// if somebody has quiesced an object, because the unquiesce would bring it back.
// After before_quiesce such an object is the script's doing.
func (t *Task) surveyed(c *call) bool {
	if !t.surveys() {
		return true
	}
	if !c.done() {
		return false
	}
	if f := c.failure; f != nil && credentialRefused(f) { // nor would the quiesce be let in
		t.fail(rankFirst, checkCode(f), f.Error())
		t.toUndo()
		return false
	}
	if c.failure != nil || len(t.survey.readings) == 0 || t.before.ran() {
		return true
	}
	var quiesced []string
	for _, o := range t.survey.readings[len(t.survey.readings)-1].Objects {
		if o.Quiesced {
			quiesced = append(quiesced, fmt.Sprintf("%s (domain %s)", nameOf(o), o.Domain))
		}
	}
	if len(quiesced) == 0 {
		return true
	}
	t.fail(rankFirst, status.PreChecksFoundQuiescedObject, fmt.Sprintf(
		"%s is in service and holds objects that are quiesced: %s; nothing was sent, because the unquiesce would bring them back. Find out who quiesced them, bring them back, and run again",
		t.target(), listed(quiesced)))
	t.toUndo()
	return false
}

// objectID is an object of a device.
type objectID struct{ domain, name string }

// before is the result of all readings.
type before struct {
	up      Objects             // carry traffic, and were up whenever they were read
	changed []objectID          // carry traffic, and were up in one reading only
	down    map[objectID]string // were not up when they were read last, and what the device said
	unread  []string            // why domains were read by none
	read    map[string]bool     // domains that were read
}

// compare combines the readings. A domain counts only in the readings that read
// it.
func (s *survey) compare() before {
	b := before{up: Objects{}, down: map[objectID]string{}, read: map[string]bool{}}
	readings := make([]map[objectID]sdk.ObjectHealth, len(s.readings))
	without := make([]map[string]string, len(s.readings))
	objects, domains := map[objectID]bool{}, map[string]bool{}
	for i, r := range s.readings {
		readings[i], without[i] = map[objectID]sdk.ObjectHealth{}, map[string]string{}
		for _, u := range r.Unread {
			without[i][u.Domain], domains[u.Domain] = u.Failure.Error(), true
		}
		for _, o := range r.Objects {
			id := objectID{o.Domain, nameOf(o)}
			objects[id], domains[o.Domain] = true, true
			if seen, twice := readings[i][id]; !twice || seen.Up {
				readings[i][id] = o
			}
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(domains)) {
		for i := range readings {
			if _, ok := without[i][domain]; !ok {
				b.read[domain] = true
			}
		}
		if !b.read[domain] {
			b.unread = append(b.unread, fmt.Sprintf("domain %s (%s)", domain, without[len(without)-1][domain]))
		}
	}
	if len(readings) == 0 && s.why != "" {
		b.unread = []string{s.why}
	}
	for _, id := range slices.SortedFunc(maps.Keys(objects), func(a, b objectID) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.name, b.name))
	}) {
		var seen []sdk.ObjectHealth
		for i, r := range readings {
			if _, ok := without[i][id.domain]; !ok {
				seen = append(seen, r[id])
			}
		}
		last := seen[len(seen)-1]
		up := func(o sdk.ObjectHealth) bool { return o.Up }
		if last.Class != "" && !last.Up && !last.Disabled {
			b.down[id] = last.Detail
		}
		switch serving := slices.ContainsFunc(seen, func(o sdk.ObjectHealth) bool { return o.Serving }); {
		case !serving || !slices.ContainsFunc(seen, up):
		case slices.ContainsFunc(seen, func(o sdk.ObjectHealth) bool { return !o.Up }):
			b.changed = append(b.changed, id)
		default:
			b.up.add(id.domain, id.name)
		}
	}
	return b
}

// tellSurvey warns about objects that were not up before the quiesce, or not
// known to be.
func (t *Task) tellSurvey() {
	if !t.surveys() {
		return
	}
	b := t.survey.compare()
	if len(b.unread) > 0 {
		t.warn("which objects were up before the quiesce could not be read: %s; that %s came back healthy is not proven", listed(b.unread), t.target())
	}
	var down, changed []string
	for id, why := range b.down {
		if !slices.Contains(b.changed, id) {
			down = append(down, described(id.domain, id.name, why))
		}
	}
	for _, id := range b.changed {
		changed = append(changed, fmt.Sprintf("%s (domain %s)", id.name, id.domain))
	}
	if slices.Sort(down); len(down) > 0 {
		t.warn("down before the quiesce: %s", listed(down))
	}
	if len(changed) > 0 {
		t.warn("up in one of two readings before the quiesce, and therefore not waited for after it: %s", listed(changed))
	}
}

// notBack is the message that the target did not return, or not with all of its
// objects.
func (t *Task) notBack() string {
	if t.debt.Unwell() {
		return t.target() + " did not come back healthy"
	}
	return t.target() + " did not come back"
}

// tellHealing says once that the task waits for objects.
func (t *Task) tellHealing(told bool) {
	if lacks := t.debt.healing.lacks; !told && len(lacks) > 0 {
		t.enter(status.UnquiesceWaitingForHealthy, "%s is in service; not up yet: %s", t.target(), listed(lacks))
	}
}

// tellReturn warns about objects that are down since the quiesce and that the
// task did not wait for: those that carry no traffic, and those that were
// disabled meanwhile.
func (t *Task) tellReturn() {
	read := t.debt.healing.read
	if read == nil {
		return
	}
	b := t.survey.compare()
	var down []string
	for _, o := range read.Objects {
		id := objectID{o.Domain, nameOf(o)}
		_, before := b.down[id]
		if o.Up || before || !b.read[o.Domain] || o.Disabled && !slices.Contains(b.up[o.Domain], id.name) {
			continue
		}
		down = append(down, described(o.Domain, id.name, o.Detail))
	}
	if len(down) > 0 {
		slices.Sort(down)
		t.warn("down since the quiesce, and not waited for: %s", listed(down))
	}
}
