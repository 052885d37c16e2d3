package settle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/restore"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// lookAtRestore finds out how a restore ended whose process is gone or that was left
// without proof. The obligation is settled when the target is proven to be as before,
// or to equal the archive and be saved. It changes nothing on the device.
func (s *Settler) lookAtRestore(ctx context.Context, src sdk.Source, o pending.Obligation) error {
	r, err := record.RestoreOf(o)
	if err != nil {
		return err
	}
	if r.Archive == "" {
		return errors.New("its pending file is gone, so nothing is left to compare the domain with")
	}
	m := restore.Resume(o.Since, s.Clock.Now())
	for {
		phase, notBefore := m.Next()
		if phase == restore.Ended {
			break
		}
		if err := s.until(ctx, notBefore); err != nil {
			return fmt.Errorf("it was not found out how the restore of %s ended, because dprun was stopped", o.Where())
		}
		var a restore.Answer
		if _, err := sameBox(ctx, src, o); err != nil {
			a = restore.Failed(err)
		} else {
			a = LookAt(ctx, src, r, o.Domain)
		}
		m.Answer(s.Clock.Now(), a)
	}
	end, why := m.End()
	if s.Journal != nil {
		if err := s.Journal.EndRestore(context.WithoutCancel(ctx), o.Run, string(end), s.Redact.Redact(why), s.Clock.Now()); err != nil {
			s.Log.Warn("how a restore ended could not be written down", "run", o.Run, "error", err)
		}
	}
	if end.Pending() {
		return errors.New(why)
	}
	s.Log.Info("the restore has ended", "run", o.Run, "where", o.Where(), "end", end, "why", why)
	return nil
}

// LookAt compares a target with its state before a restore and with what was to be
// restored.
func LookAt(ctx context.Context, src sdk.Source, r record.Restore, domain string) restore.Answer {
	for _, file := range []string{r.WayBack, r.Archive} {
		if _, err := os.Stat(file); err != nil {
			return restore.Failed(failure.New(failure.Precondition, "", "what the target is compared with is not there any more: %w", err))
		}
	}
	able, ok := sdk.As[sdk.Restorer](src)
	if !ok {
		return restore.Failed(failure.New(failure.Precondition, failure.Unsupported, "the plugin of the device does not offer to restore"))
	}
	dir, err := os.MkdirTemp(filepath.Dir(r.Archive), "look-")
	if err != nil {
		return restore.Failed(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays goes with the obligation
	got, err := able.Resembles(ctx, sdk.ResembleRequest{Target: sdk.Target{Domain: domain}, Files: []string{r.WayBack, r.Archive}, WayBack: true, Dir: dir, Policy: r.Policy, Variables: r.Variables, RewriteLocalIP: r.RewriteLocalIP})
	if err != nil {
		return restore.Failed(err)
	}
	return restore.Looked(got)
}

// forgetRestore removes the archives that were needed to look at the restore, because
// its obligation is settled.
func (s *Settler) forgetRestore(o pending.Obligation) {
	r, err := record.RestoreOf(o)
	if err == nil && filepath.Base(filepath.Dir(r.Archive)) == o.Run { // never removes anything else
		err = os.RemoveAll(filepath.Dir(r.Archive))
	}
	if err != nil {
		s.Log.Warn("the files of a restore could not be removed", "run", o.Run, "error", err)
	}
}
