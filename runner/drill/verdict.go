package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Gateway is what is known of a drill gateway right before an import.
type Gateway struct {
	Device   string
	Identity string // that the plan pins
	Box      *sdk.Inspection
	// Used are those who use the box for something else, by its identity.
	Used []string
}

// Refuse says why nothing may be imported there. What could not be read counts as a no.
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

// Course is what was seen of the import of one set.
type Course struct {
	Fetch  error             // nil: the set was fetched, and its archive is whole
	Was    []backups.Objects // the objects when the set was captured, as its manifest has them
	Create error             // nil: the domain was made
	Import error
	Report *sdk.ImportReport // of a good import
	Look   error             // of the comparison
	Seen   *sdk.Resemblance
}

// Judged is what a course shows.
type Judged struct {
	backups.Verdict
	Why     []string // of one that is not proven
	Excused int      // objects that are not judged: they are down for want of something else
	Running bool     // something may be at work that must not be
}

// RunningCheck is the check by which a source says that something is enabled
// that a drill disables.
const RunningCheck = "running"

// Judge says what a course shows. Proven is only what was imported without an error,
// is there as the set holds it, and of which all is up that can be: what was down when the set
// was captured is not judged.
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

// wasDown are the objects that were down already when the set was captured.
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

// notImported judges an import that failed as a whole. An archive that is not whole, and
// one that the device answers with an error, is the set's affair.
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
