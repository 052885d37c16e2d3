package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Gateway is the state of a drill gateway right before an import.
type Gateway struct {
	Device   string
	Identity string // pinned by the plan
	Box      *sdk.Inspection
	// Used names the other uses of the box, found by its identity.
	Used []string
}

// Refuse returns the reason why nothing may be imported on the gateway. What could not
// be read counts as a reason.
func (g Gateway) Refuse() error {
	has := g.Box.Facts.Identity
	i := slices.IndexFunc(g.Box.Unread, func(u sdk.Unread) bool { return u.Fact == sdk.FactDrill })
	switch {
	case g.Identity == "" || has != g.Identity:
		return refusal("the plan pins the identity %q, and what answers says that it is %q", g.Identity, has).
			WithRemedy("find out what answers at this address; if it is the drill gateway, write identity = %q in the drill", has)
	case len(g.Used) > 0:
		return refusal("the box is used for something else: %s", strings.Join(g.Used, ", ")).
			WithRemedy("give the drill a gateway that serves nobody and is not backed up")
	case i >= 0:
		return refusal("whether it is marked for drills could not be read: %w", g.Box.Unread[i].Failure).
			WithRemedy("let the account of its restore block read logging/category in default")
	case !g.Box.Facts.DrillGateway:
		return refusal("it does not hold the object that marks a gateway for drills").
			WithRemedy("if backups may be imported there, make the log category dprun-drill-gateway in its domain default, and save")
	}
	return nil
}

func refusal(format string, args ...any) *failure.Error {
	return failure.New(failure.Precondition, "", format, args...)
}

// Course is what happened during the import of one set.
type Course struct {
	Fetch  error             // nil: the set was fetched and its archive is whole
	Was    []backups.Objects // the objects at the time of the capture, from the set's manifest
	Create error             // nil: the domain was made
	Import error
	Report *sdk.ImportReport // of a successful import
	Look   error             // of the comparison
	Seen   *sdk.Resemblance
}

// Judged is the verdict on a course.
type Judged struct {
	backups.Verdict
	Why     []string // why it is not proven
	Excused int      // objects left out of the verdict, because they are down for lack of something else
	Running bool     // something may be running that a drill must disable
}

// RunningCheck is the check with which a source reports that something is enabled
// although a drill disables it.
const RunningCheck = "running"

// Judge returns the verdict on a course. A set is proven if its import ended without an
// error, the result equals the set, and every object that can be up is up. Objects that
// were down at the time of the capture are not judged.
func (c Course) Judge() Judged {
	switch {
	case c.Fetch != nil:
		c.Import = c.Fetch
		return c.notImported()
	case c.Create != nil:
		return undecided("the domain was not made: %w", c.Create)
	case c.Import != nil:
		return c.notImported()
	case c.Report == nil:
		return undecided("the import has no result")
	}
	j := Judged{Verdict: backups.Failed, Excused: c.Report.Excused}
	for _, f := range c.Report.Findings {
		if f.Level == sdk.LevelError {
			j.Running = j.Running || f.Check == RunningCheck
			j.Why = append(j.Why, strings.TrimPrefix(f.Subject+": ", ": ")+f.Message)
		}
	}
	was := c.wasDown()
	for _, d := range c.Report.Down {
		if object, _, _ := strings.Cut(d, ": "); was[object] {
			j.Excused++
			continue
		}
		j.Why = append(j.Why, "down after the import: "+d)
	}
	switch {
	case len(j.Why) > 0:
	case c.Look != nil:
		j = undecided("what was imported could not be compared: %w", c.Look)
	case c.Seen == nil || !c.Seen.Equal && len(c.Seen.Differences) == 0:
		j.Why = []string{"what was imported is not what the set holds"}
	case !c.Seen.Equal:
		for _, d := range c.Seen.Differences {
			j.Why = append(j.Why, "differs after the import: "+d)
		}
	default:
		j.Verdict = backups.Proven
	}
	return j
}

// wasDown returns the objects that were already down at the time of the capture.
func (c Course) wasDown() map[string]bool {
	out := map[string]bool{}
	for _, of := range c.Was {
		for _, d := range of.Down {
			object, _, _ := strings.Cut(d, ": ")
			out[object] = true
		}
	}
	return out
}

// notImported judges an import that failed as a whole. It blames the set for an archive
// that is not whole, and for one that the device rejects with an error.
func (c Course) notImported() Judged {
	f := failure.From(c.Import)
	if f.Kind == failure.Corrupt && f.Reason != failure.BadReply || f.Reason == failure.DeviceError && f.Kind != failure.Precondition {
		return Judged{Verdict: backups.Failed, Why: []string{f.Error()}}
	}
	return undecided("the set was not imported: %w", f)
}

func undecided(format string, args ...any) Judged {
	return Judged{Verdict: backups.Undecided, Why: []string{fmt.Errorf(format, args...).Error()}}
}
