package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// bound says on which side of its target a figure has to be.
type bound string

const (
	atLeast bound = ">="
	atMost  bound = "<="
	noBound bound = "" // for information
)

// figure is one result.
type figure struct {
	ID     string    `json:"id"` // "a.file"
	About  string    `json:"about"`
	Ours   float64   `json:"ours"` // median of the rounds, in Unit; of a peak the highest
	Peer   float64   `json:"peer,omitempty"`
	Unit   string    `json:"unit"`
	Ratio  float64   `json:"ratio"` // median of the rounds' ratios; without a peer, Ours
	Bound  bound     `json:"bound,omitempty"`
	Target float64   `json:"target,omitempty"`
	Met    *bool     `json:"met,omitempty"` // nil without a target
	Rounds []float64 `json:"rounds"`        // the ratio of each round, in order
	Note   string    `json:"note,omitempty"`
	// Processor seconds of the processes that each side started; 0: not measured.
	OursCPU float64 `json:"ours_cpu,omitempty"`
	PeerCPU float64 `json:"peer_cpu,omitempty"`
}

// faster is how many times faster ours was than the peer, round by round.
func faster(id, about string, ours, peer []float64, target float64) figure {
	f := figure{ID: id, About: about, Ours: median(ours), Peer: median(peer), Unit: "s", Bound: atLeast, Target: target}
	for i := range ours {
		f.Rounds = append(f.Rounds, peer[i]/ours[i])
	}
	return f
}

// share is ours as a multiple of the peer's, round by round.
func share(id, about string, ours, peer []float64, target float64) figure {
	f := figure{ID: id, About: about, Ours: median(ours), Peer: median(peer), Unit: "s", Bound: atMost, Target: target}
	for i := range ours {
		f.Rounds = append(f.Rounds, ours[i]/peer[i])
	}
	return f
}

// info strips the target of a figure: it is shown, not judged.
func (f figure) info() figure {
	f.Bound, f.Target = noBound, 0
	return f
}

func (f figure) with(format string, args ...any) figure {
	f.Note = fmt.Sprintf(format, args...)
	return f
}

// add judges a figure and keeps it.
func (b *bench) add(f figure) {
	f.Ratio = f.Ours
	if f.Peer != 0 {
		f.Ratio = median(f.Rounds)
	}
	switch f.Bound {
	case atLeast:
		met := f.Ratio >= f.Target
		f.Met = &met
	case atMost:
		met := f.Ratio <= f.Target
		f.Met = &met
	}
	b.figures = append(b.figures, f)
}

func (f figure) verdict() string {
	switch {
	case f.Met == nil:
		return "-"
	case *f.Met:
		return "ok"
	}
	return "MISS"
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// printTable is for people.
func printTable(w io.Writer, figures []figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tDPRUN\tPEER\tRATIO\tTARGET\t\tROUNDS\tWHAT")
	for _, f := range figures {
		number := "%.2f %s"
		peer, ratio := "-", fmt.Sprintf("%.2f", f.Ratio)
		if f.Peer != 0 {
			peer = fmt.Sprintf(number, f.Peer, f.Unit)
		} else {
			ratio = "-"
		}
		target := "-"
		if f.Bound != noBound {
			target = fmt.Sprintf("%s %g", f.Bound, f.Target)
		}
		about := f.About
		if f.Note != "" {
			about += " (" + f.Note + ")"
		}
		if f.OursCPU != 0 {
			about += fmt.Sprintf(" (CPU %.1f s, peer %.1f s)", f.OursCPU, f.PeerCPU)
		}
		rounds := make([]string, len(f.Rounds))
		for i, r := range f.Rounds {
			rounds[i] = fmt.Sprintf("%.2f", r)
		}
		fmt.Fprintf(t, "%s\t"+number+"\t%s\t%s\t%s\t%s\t%s\t%s\n", f.ID, f.Ours, f.Unit, peer, ratio, target, f.verdict(), strings.Join(rounds, " "), about)
	}
	t.Flush()
}

// printJSON is for programs: one figure a line.
func printJSON(w io.Writer, figures []figure) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, f := range figures {
		_ = e.Encode(struct {
			Type string `json:"type"`
			figure
		}{"figure", f}) // floats and strings always encode
	}
}
