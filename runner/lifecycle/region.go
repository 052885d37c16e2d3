package lifecycle

import (
	"fmt"
	"sync"
)

// A machine is made of regions. Each region keeps track of one thing, stands in
// one state at a time, and has a table that lists what every event makes of
// every state. An event that the table does not list cannot happen: it ends the
// machine, and the pending files settle what it owes.

// moves is the table of a region.
type moves[S, E comparable] struct {
	name, about string
	rows        []row[S, E]
	// next is made of rows when the first event comes: most commands of dprun
	// drive no machine, and start sooner.
	next func() map[cell[S, E]]S
}

// row is one line of a table.
type row[S, E comparable] struct {
	from S
	on   E
	to   S
	// unseen says why no run that a test plays shows the move.
	unseen string
}

type cell[S, E comparable] struct {
	in S
	on E
}

func newTable[S, E comparable](name, about string, rows []row[S, E]) *moves[S, E] {
	return &moves[S, E]{name: name, about: about, rows: rows, next: sync.OnceValue(func() map[cell[S, E]]S {
		next := make(map[cell[S, E]]S, len(rows))
		for _, r := range rows {
			at := cell[S, E]{r.from, r.on}
			if _, twice := next[at]; twice {
				panic(fmt.Sprintf("%s: %v in state %v stands in the table twice", name, r.on, stateName(r.from)))
			}
			next[at] = r.to
		}
		return next
	})}
}

// witness, if set, is told every move. Tests set it.
var witness func(region, from, on string)

// after is the state that an event leads to.
func (x *moves[S, E]) after(in S, on E) S {
	to, there := x.next()[cell[S, E]{in, on}]
	if !there {
		panic(fmt.Sprintf("%s: %v in state %s stands in no table", x.name, on, stateName(in)))
	}
	if witness != nil {
		witness(x.name, stateName(in), fmt.Sprint(on))
	}
	return to
}

// stateName is a state as tables and charts show it. The zero state of a region
// is the one in which nothing has happened yet.
func stateName(s any) string {
	if name := fmt.Sprint(s); name != "" {
		return name
	}
	return "idle"
}

// Region is the table of a region, for the documentation.
type Region struct {
	Name, About string
	Moves       []Move
}

// Move is what an event makes of a state.
type Move struct {
	From, On, To string
	// Unseen says why no run that is played in a test shows it.
	Unseen string
}

func (x *moves[S, E]) region() Region {
	r := Region{Name: x.name, About: x.about}
	x.next() // a table that says two things of one event is not shown
	for _, row := range x.rows {
		r.Moves = append(r.Moves, Move{stateName(row.from), fmt.Sprint(row.on), stateName(row.to), row.unseen})
	}
	return r
}

// Regions lists the regions of both machines: those of a task, then those of a run.
func Regions() []Region {
	return []Region{
		phases.region(), courses.region(), calls.region(), locks.region(), scripts.region(), quiesces.region(),
		captures.region(), deposits.region(), debts.region(), arrivals.region(), hastes.region(), tellings.region(), copies.region(),
		stages.region(), stops.region(), doors.region(),
	}
}
