package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/signing"
)

// VerifyEvidenceRequest asks whether records are as they were written.
type VerifyEvidenceRequest struct {
	Paths          []string // files and directories; none: the records of the state directory
	Expect         string   // SEQUENCE:DIGEST of a record that must exist; empty: none is required
	AllowedSigners string   // file with the signers whose signatures count; empty: no signature counts
}

// VerifyEvidence judges the records of the state directory. The journal says how
// far they must go.
func (h *History) VerifyEvidence(ctx context.Context, q VerifyEvidenceRequest) (report.VerifiedEvidence, error) {
	k := h.kept.Load()
	if k.lost != nil {
		return report.VerifiedEvidence{}, k.lost
	}
	head, err := k.journal.Evidence(ctx, "")
	if err != nil {
		return report.VerifiedEvidence{}, &Error{ExitBug, err}
	}
	q.Paths = []string{h.state.Evidence()}
	if head.Sequence == 0 {
		return VerifyEvidence(q)
	}
	return VerifyEvidence(q, head)
}

// VerifyEvidence judges the records in files and directories. It needs no state
// directory. also holds records that must exist, besides the one that the request
// expects.
func VerifyEvidence(q VerifyEvidenceRequest, also ...evidence.Head) (report.VerifiedEvidence, error) {
	out := report.VerifiedEvidence{Chains: []report.EvidenceChain{}}
	expect := also
	if q.Expect != "" {
		n, digest, _ := strings.Cut(q.Expect, ":")
		seq, err := strconv.ParseInt(n, 10, 64)
		if err != nil || seq < 1 || len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
			return out, errorf(ExitUsage, "--expect is SEQUENCE:DIGEST, such as 12:9f86d081…, as a run has printed it; %q is not", q.Expect)
		}
		if head := (evidence.Head{Sequence: seq, Digest: digest}); !slices.Contains(expect, head) {
			expect = append(expect, head)
		}
	}
	var keys *signing.Keys
	if q.AllowedSigners != "" {
		text, err := os.ReadFile(q.AllowedSigners)
		if err == nil {
			keys, err = signing.New("", "", string(text))
		}
		if err == nil && !keys.Trusts() {
			err = errors.New("it names no key")
		}
		if err != nil {
			return out, errorf(ExitUsage, "read the allowed signers of %s: %w", q.AllowedSigners, err)
		}
	}
	items, err := recordsIn(q.Paths)
	if err != nil {
		return out, errorf(1, "read records of evidence: %w", err)
	}
	found := evidence.Verify(items, keys, expect...)
	signed := 0
	for _, c := range found.Chains {
		signed += c.Signed
		out.Chains = append(out.Chains, report.EvidenceChain{StateID: c.State, First: c.First, Last: c.Last, Records: c.Records, Digest: c.Digest, Signed: c.Signed, Trusted: c.Trusted, Keys: c.Keys})
	}
	for _, f := range found.Faults {
		out.Faults = append(out.Faults, report.EvidenceFault{Kind: string(f.Kind), File: f.File, Why: f.Why})
	}
	switch {
	case keys != nil:
		out.Proves = "order and authorship: the owner of a trusted key wrote everything that its signatures cover, in this order"
	case signed > 0:
		out.Proves = "order, not authorship: the signatures are right, but no trusted keys are given (--allowed-signers)"
	default:
		out.Proves = "order, not authorship: nothing is signed, so anybody who can write here could have made a new chain"
	}
	if len(expect) == 0 {
		out.Proves += "; only --expect shows whether the end was cut off"
	}
	switch {
	case len(items) == 0 && len(expect) == 0:
		out.ExitCode = 1
	case len(out.Faults) > 0:
		out.ExitCode = ExitPartly
	}
	return out, nil
}

// recordsIn reads the records in files and below directories.
func recordsIn(paths []string) (items []evidence.Item, err error) {
	add := func(name string) error {
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		it := evidence.Item{Name: filepath.ToSlash(name), Body: body}
		if it.Signature, err = os.ReadFile(name + signing.Suffix); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		items = append(items, it)
		return err
	}
	for _, p := range paths {
		err := filepath.WalkDir(p, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || name != p && evidence.Sequence(filepath.ToSlash(name)) == 0 {
				return err
			}
			return add(name)
		})
		if err != nil {
			return nil, err
		}
	}
	return items, nil
}

// Evidence lists the records of the state directory, the newest first.
func (h *History) Evidence() iter.Seq2[report.EvidenceRecord, error] {
	return func(yield func(report.EvidenceRecord, error) bool) {
		entries, err := os.ReadDir(h.state.Evidence())
		if err != nil {
			yield(report.EvidenceRecord{}, &Error{ExitBug, err})
			return
		}
		for _, e := range slices.Backward(entries) {
			n := evidence.Sequence(e.Name())
			if n == 0 {
				continue
			}
			d, err := h.record(n)
			if err != nil {
				yield(report.EvidenceRecord{}, err)
				return
			}
			_, unsigned := os.Lstat(filepath.Join(h.state.Evidence(), e.Name()+signing.Suffix))
			if !yield(report.EvidenceRecord{Sequence: d.Sequence, Digest: d.Digest, Signed: unsigned == nil, Kind: d.Kind, Written: d.Written, User: d.User, Host: d.Host, Change: d.Change,
				Plan: d.Plan, Run: d.Run, Code: d.Code, ExitCode: d.Exit}, nil) {
				return
			}
		}
	}
}

// EvidenceRecord returns one record, by its number or by the ID of its run.
func (h *History) EvidenceRecord(ref string) (report.EvidenceDetail, error) {
	if n, err := strconv.ParseInt(ref, 10, 64); err == nil && n > 0 {
		return h.record(n)
	}
	for e, err := range h.Evidence() {
		if err != nil {
			return report.EvidenceDetail{}, err
		}
		if e.Run == strings.ToUpper(ref) {
			return h.record(e.Sequence)
		}
	}
	return report.EvidenceDetail{}, errorf(ExitUsage, "there is no record %q: give its number, or the whole ID of a run; `dprun evidence list` lists them", ref)
}

func (h *History) record(n int64) (d report.EvidenceDetail, err error) {
	file := filepath.Join(h.state.Evidence(), evidence.FileName(n))
	body, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return d, errorf(ExitUsage, "there is no record %d; `dprun evidence list` lists them", n)
	}
	if err != nil {
		return d, &Error{1, err}
	}
	if d.Record, err = evidence.Parse(body); err != nil {
		return d, errorf(1, "read %s: %w; `dprun evidence verify` says what else is wrong", file, err)
	}
	d.Digest = evidence.Digest(body)
	return d, nil
}

// ExportEvidence copies the records of the state directory, with their
// signatures, to another directory. An existing file with other content is an
// error.
func (h *History) ExportEvidence(to string) (report.ExportedEvidence, error) {
	out := report.ExportedEvidence{Dir: to}
	fail := func(err error) (report.ExportedEvidence, error) {
		return out, errorf(1, "export the records of evidence: %w", err)
	}
	entries, err := os.ReadDir(h.state.Evidence())
	if err == nil {
		err = os.MkdirAll(to, 0o700)
	}
	if err != nil {
		return fail(err)
	}
	for _, e := range entries {
		n := evidence.Sequence(strings.TrimSuffix(e.Name(), signing.Suffix))
		if n == 0 {
			continue
		}
		body, err := os.ReadFile(filepath.Join(h.state.Evidence(), e.Name()))
		if err != nil {
			return fail(err)
		}
		file := filepath.Join(to, e.Name())
		there, err := os.ReadFile(file)
		switch {
		case err == nil && string(there) != string(body):
			return fail(fmt.Errorf("%s is there already and holds something else; it stays as it is: move it, or name another directory with --to", file))
		case errors.Is(err, fs.ErrNotExist):
			err = os.WriteFile(file, body, 0o600)
		}
		if err != nil {
			return fail(err)
		}
		if !strings.HasSuffix(e.Name(), signing.Suffix) {
			out.Records++
			out.Last, out.Digest = n, evidence.Digest(body)
		}
	}
	return out, nil
}
