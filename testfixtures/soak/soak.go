package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say how large a soak is.
type Options struct {
	Dprun     string        // the program
	Dir       string        // everything is below it; it must be there and be empty
	Rounds    int           // side by side, each with a state directory
	Pairs     int           // of gateways, in each round
	Kills     int           // in all rounds
	For       time.Duration // no run is begun after it
	Mischief  time.Duration // the mean time between two faults of a round's gateways
	LongStops bool          // some runs stay stopped until what they have quiesced is overdue
	Seed      uint64        // of the random choices
}

// Figures are what was seen.
type Figures struct {
	verdict
	Rounds         int
	Kills          map[string]int // by kind
	KillsWhileDown int            // of these, while a device was out of service
	Faults         int
	Reboots        int
	Runs           int            // that the journals hold
	Tasks          int            // of them
	Codes          map[string]int // of the tasks
	Looks          int            // at what dprun owed names, while something was out of service
	Unnamed        int            // domains that it did not name
	Took           time.Duration
}

// KillsInAll is how often something was killed or stopped.
func (f Figures) KillsInAll() (n int) {
	for _, k := range f.Kills {
		n += k
	}
	return n
}

// add adds a round.
func (f *Figures) add(o Figures) {
	f.Rounds++
	for kind, n := range o.Kills {
		f.Kills[kind] += n
	}
	for code, n := range o.Codes {
		f.Codes[code] += n
	}
	f.KillsWhileDown += o.KillsWhileDown
	f.Faults += o.Faults
	f.Reboots += o.Reboots
	f.Runs += o.Runs
	f.Tasks += o.Tasks
	f.Looks += o.Looks
	f.Unnamed += o.Unnamed
	f.Outages += o.Outages
	f.BothDown += o.BothDown
	f.MostDown = max(f.MostDown, o.MostDown)
	if o.Longest > f.Longest {
		f.Longest, f.LongestOf = o.Longest, o.LongestOf
	}
	if o.ShortestPause >= 0 && (f.ShortestPause < 0 || o.ShortestPause < f.ShortestPause) {
		f.ShortestPause = o.ShortestPause
	}
	f.Violations = append(f.Violations, o.Violations...)
}

// Run plays all rounds. The error says what does not hold, with the time line
// and the directory of its round, which is kept; the directories of all others
// are removed.
func Run(ctx context.Context, o Options) (Figures, error) {
	if o.Rounds < 1 || o.Pairs < 2 || o.Kills < 0 || o.Mischief <= 0 {
		return Figures{}, errors.New("a soak has at least one round and two pairs, and time between two faults")
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.For+2*endsWithin) // a last resort: hands and waits have times of their own
	defer cancel()
	rounds := make([]*round, o.Rounds)
	var all sync.WaitGroup
	for i := range rounds {
		r := &round{
			options: o, number: i + 1, dir: filepath.Join(o.Dir, fmt.Sprintf("round-%02d", i+1)), typical: 6 * time.Second, end: begun.Add(o.For),
			kills: o.Kills / o.Rounds, using: map[int][]string{}, figures: Figures{Kills: map[string]int{}, Codes: map[string]int{}},
		}
		if i < o.Kills%o.Rounds {
			r.kills++
		}
		rounds[i] = r
		all.Go(func() { r.play(ctx) })
	}
	all.Wait()
	sum := Figures{verdict: verdict{ShortestPause: -1}, Kills: map[string]int{}, Codes: map[string]int{}}
	var failed []error
	for _, r := range rounds {
		sum.add(r.figures)
		if len(r.failed) > 0 {
			failed = append(failed, fmt.Errorf("round %d, seed %d, in %s:\n  %s\nits last moments:\n  %s", r.number, o.Seed, r.dir,
				strings.Join(r.failed, "\n  "), strings.Join(r.timeline[max(0, len(r.timeline)-80):], "\n  ")))
		} else if err := os.RemoveAll(r.dir); err != nil {
			failed = append(failed, err)
		}
	}
	sum.Took = time.Since(begun)
	if n := sum.KillsInAll(); n < o.Kills && len(failed) == 0 {
		failed = append(failed, fmt.Errorf("only %d of %d kills could be made within %s", n, o.Kills, o.For))
	}
	return sum, errors.Join(failed...)
}

// Print writes the figures.
func (f Figures) Print(w io.Writer) {
	line := func(what string, figure any) { _, _ = fmt.Fprintf(w, "%-58s %v\n", what, figure) }
	line("rounds side by side", f.Rounds)
	line("kills", f.KillsInAll())
	for _, kind := range slices.Sorted(maps.Keys(f.Kills)) {
		line("  "+kind, f.Kills[kind])
	}
	line("kills while a device was out of service", f.KillsWhileDown)
	line("faults of gateways", f.Faults)
	line("reboots of gateways", f.Reboots)
	line("runs", f.Runs)
	line("tasks", f.Tasks)
	codes := slices.Collect(maps.Keys(f.Codes))
	slices.SortFunc(codes, func(a, b string) int { return cmp.Or(f.Codes[b]-f.Codes[a], strings.Compare(a, b)) })
	for _, code := range codes {
		line("  "+cmp.Or(code, "no code"), f.Codes[code])
	}
	line("outages of devices by a quiesce", f.Outages)
	line(fmt.Sprintf("most devices out of service at once (%d may be)", allowed.maxDevices), f.MostDown)
	line("pairs with both members out of service", f.BothDown)
	line(fmt.Sprintf("shortest pause between members of a pair (%s at least)", allowed.settle), f.ShortestPause.Round(time.Millisecond))
	line("longest outage", fmt.Sprintf("%s, of %s", f.Longest.Round(time.Millisecond), f.LongestOf))
	line("looks at dprun owed while something was out of service", f.Looks)
	line("domains out of service that it did not name", f.Unnamed)
	line("does not hold", len(f.Violations))
	line("took", f.Took.Round(time.Second))
}
