package evidence

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/dprun/dprun/runner/signing"
)

// Item is a record as it was found.
type Item struct {
	Name      string // of its file
	Body      []byte
	Signature []byte // of the file beside it; nil: there is none
}

// FaultKind says what is wrong with a chain.
type FaultKind string

// The kinds of faults.
const (
	Altered     FaultKind = "altered"     // it differs from what the next record says, or is not a record
	Unconfirmed FaultKind = "unconfirmed" // the next record was altered and says something else
	Missing     FaultKind = "missing"     // records before or between others
	Misplaced   FaultKind = "misplaced"   // a file whose name holds another record's number
	Forked      FaultKind = "forked"      // two different records with the same number
	Cut         FaultKind = "cut"         // the expected record does not exist
	Unexpected  FaultKind = "unexpected"  // a different record stands in its place
	Signature   FaultKind = "signature"   // its signature does not count
	Unsigned    FaultKind = "unsigned"    // no signature covers it
)

// Fault is one thing that is wrong.
type Fault struct {
	Kind FaultKind
	File string // empty: the fault concerns no existing file
	Why  string
}

// Chain summarizes the records of one state directory.
type Chain struct {
	State       string
	First, Last int64
	Records     int
	Digest      string   // of the last record
	Signed      int      // records with a signature that was checked and is correct
	Trusted     int64    // the last record covered by a signature that counts; 0: none
	Keys        []string // fingerprints of the keys that signed
}

// Result is the result of a verification.
type Result struct {
	Chains []Chain // by state directory
	Faults []Fault
}

// found is a record with its name, number and digest.
type found struct {
	Item
	Record
	seq    int64
	digest string
	broken bool // it cannot be read
}

// Verify checks records, which may come in any order. keys say whose signatures count;
// nil: nobody has said whose. expect names records that must exist. Without expect,
// Verify cannot see whether the end of a chain was cut off.
func Verify(items []Item, keys *signing.Keys, expect ...Head) Result {
	var r Result
	chains := map[string][]*found{}
	var lost []*found
	for _, it := range items {
		f := &found{Item: it, seq: Sequence(it.Name), digest: Digest(it.Body)}
		var err error
		if f.Record, err = Parse(it.Body); err != nil {
			f.broken = true
			r.fault(Altered, it.Name, "it is not a record: %v", err)
			lost = append(lost, f)
			continue
		}
		if f.seq != 0 && f.seq != f.Record.Sequence {
			r.fault(Misplaced, it.Name, "it holds record %d", f.Record.Sequence)
		}
		f.seq = f.Record.Sequence
		chains[f.State] = append(chains[f.State], f)
	}
	if len(chains) == 1 { // then the broken records can belong to this chain only
		for state := range chains {
			chains[state] = append(chains[state], slices.DeleteFunc(lost, func(f *found) bool { return f.seq == 0 })...)
		}
	}
	for _, state := range slices.Sorted(maps.Keys(chains)) {
		r.chain(state, chains[state], keys)
	}
	for _, want := range expect {
		r.expect(chains, want)
	}
	return r
}

func (r *Result) fault(k FaultKind, file, format string, args ...any) {
	r.Faults = append(r.Faults, Fault{k, file, fmt.Sprintf(format, args...)})
}

// Parse reads a record.
func Parse(body []byte) (r Record, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("something follows its JSON")
	}
	switch {
	case r.Version != Version:
		return r, fmt.Errorf("its version is %d, and this dprun knows %d", r.Version, Version)
	case r.State == "" || r.Sequence < 1:
		return r, errors.New("it has no state directory or no number")
	}
	return r, nil
}

// chain checks the records of one state directory.
func (r *Result) chain(state string, all []*found, keys *signing.Keys) {
	slices.SortStableFunc(all, func(a, b *found) int { return cmp.Compare(a.seq, b.seq) })
	all = r.unfork(all)
	c := Chain{State: state, First: all[0].seq, Last: all[len(all)-1].seq, Records: len(all), Digest: all[len(all)-1].digest}
	if c.First > 1 {
		r.fault(Missing, "", "record%s of %s", span(1, c.First-1), state)
	}
	altered := map[*found]bool{}
	for i := len(all) - 1; i >= 0; i-- {
		f := all[i]
		switch {
		case f.broken:
			altered[f] = true
		case i == len(all)-1:
		case all[i+1].seq != f.seq+1:
			r.fault(Missing, "", "record%s of %s", span(f.seq+1, all[i+1].seq-1), state)
		case all[i+1].broken:
		case all[i+1].Previous != f.digest && altered[all[i+1]]:
			r.fault(Unconfirmed, f.Name, "record %d was altered, and does not confirm record %d", all[i+1].seq, f.seq)
		case all[i+1].Previous != f.digest:
			altered[f] = true
			r.fault(Altered, f.Name, "its SHA-256 is %s, and record %d says %s", f.digest, all[i+1].seq, all[i+1].Previous)
		}
		if f.seq == 1 && f.Previous != "" && !f.broken {
			r.fault(Altered, f.Name, "it is the first record, and names one before it")
		}
		r.sign(&c, f, keys)
	}
	slices.Sort(c.Keys)
	c.Keys = slices.Compact(c.Keys)
	if keys.Trusts() && c.Trusted < c.Last {
		r.fault(Unsigned, "", "record%s of %s: no signature that counts covers %s", span(c.Trusted+1, c.Last), state, map[bool]string{true: "it", false: "them"}[c.Trusted+1 == c.Last])
	}
	r.Chains = append(r.Chains, c)
}

// sign checks the signature of one record. A signature that counts also covers all
// records before it.
func (r *Result) sign(c *Chain, f *found, keys *signing.Keys) {
	if f.Signature == nil {
		return
	}
	v := keys.Check(signing.Run, f.Body, f.Signature, f.Written)
	if v.Genuine {
		c.Keys = append(c.Keys, v.Key)
	}
	switch {
	case v.Trusted:
		c.Signed++
		c.Trusted = max(c.Trusted, f.seq)
	case v.Genuine && !keys.Trusts(): // nobody has said whose signatures count
		c.Signed++
	default:
		r.fault(Signature, f.Name+signing.Suffix, "%s", v.Why)
	}
}

// unfork keeps one record of each number: the one that the next record confirms, or
// else the first.
func (r *Result) unfork(all []*found) (out []*found) {
	for i := len(all) - 1; i >= 0; i-- {
		f := all[i]
		if len(out) == 0 || out[len(out)-1].seq != f.seq {
			out = append(out, f)
			continue
		}
		other := out[len(out)-1]
		if other.digest == f.digest {
			continue // the same record twice
		}
		r.fault(Forked, f.Name, "%s is another record %d: there are two chains", other.Name, f.seq)
		if n := len(out); n > 1 && out[n-2].Previous == f.digest {
			out[n-1] = f
		}
	}
	slices.Reverse(out)
	return out
}

// expect looks for the record that must exist.
func (r *Result) expect(chains map[string][]*found, want Head) {
	var there *found
	last := int64(0)
	for _, all := range chains {
		for _, f := range all {
			if f.seq == want.Sequence && f.digest == want.Digest {
				return
			}
			if f.seq == want.Sequence {
				there = f
			}
			last = max(last, f.seq)
		}
	}
	if there != nil {
		r.fault(Unexpected, there.Name, "record %d has SHA-256 %s, and %s is expected", want.Sequence, there.digest, want.Digest)
		return
	}
	r.fault(Cut, "", "record %d is expected, and the last one that is there is %d", want.Sequence, last)
}

// span writes a range of record numbers.
func span(first, last int64) string {
	if first == last {
		return fmt.Sprintf(" %d", first)
	}
	return fmt.Sprintf("s %d to %d", first, last)
}
