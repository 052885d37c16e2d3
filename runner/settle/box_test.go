package settle

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

// another is what answers at the address: a box with an identity, on which the
// domain is not, or one that does not say which it is.
type another struct {
	sdk.Source
	sdk.Restorer
	identity string
	domains  []sdk.Domain
	mute     error
	asked    int
}

func (a *another) Close() error { return nil }

func (a *another) Inspect(context.Context, sdk.InspectRequest) (*sdk.Inspection, error) {
	return &sdk.Inspection{Facts: sdk.Facts{Identity: a.identity}, Domains: a.domains}, a.mute
}

func (a *another) Drop(context.Context, sdk.Target) error { a.asked++; return nil }

func (a *another) Resembles(_ context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	a.asked++
	return &sdk.ResembleReport{Of: []sdk.Resemblance{{Equal: true, Only: true}, {}}}, nil
}

// What another box says is no proof: on it the domain of a drill never was, and a
// member of the same group looks like the one that was restored.
func TestOnlyTheBoxItselfShowsWhatIsOwedToIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src  another
		owed string
		does bool
	}{
		"the same":                 {another{identity: "A1"}, "A1", true},
		"another":                  {another{identity: "B2"}, "A1", false},
		"one that does not say":    {another{mute: errors.New("no answer")}, "A1", false},
		"of one that nobody named": {another{identity: "B2"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Settler{Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
			o := pending.Obligation{Key: pending.Key{Run: "r"}, Device: "gw", Identity: c.owed, Domain: "dprun-drill-r-a", Since: time.Now().Add(-time.Hour)}
			o.Kind = pending.DropDomain
			err := s.drop(t.Context(), &c.src, o, func() bool { return true })
			if (err == nil) != c.does || (c.src.asked > 0) != c.does {
				t.Errorf("drop: %v, asked %d times", err, c.src.asked)
			}

			dir := t.TempDir()
			for _, name := range []string{"archive.zip", "way-back.zip"} {
				need.Done(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			}
			o.Kind, o.Since, c.src.asked = pending.Restore, time.Now().Add(-2*time.Hour), 0 // it is looked at once
			o.Endpoint = need.Value(json.Marshal(record.Restore{Archive: filepath.Join(dir, "archive.zip"), WayBack: filepath.Join(dir, "way-back.zip")}))(t)
			err = s.lookAtRestore(t.Context(), &c.src, o)
			if (err == nil) != c.does || (c.src.asked > 0) != c.does {
				t.Errorf("look: %v, asked %d times", err, c.src.asked)
			}
		})
	}
}

// A domain whose making was cut may come later: one look that does not show it is not enough.
func TestADomainOfADrillThatMayStillComeIsLookedForAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domains []sdk.Domain
		since   time.Duration
		done    bool
	}{
		"it is there":                   {[]sdk.Domain{{Name: "dprun-drill-r-a"}}, 0, true},
		"it is not there yet":           {[]sdk.Domain{{Name: "default"}}, time.Minute, false},
		"it would have come long since": {[]sdk.Domain{{Name: "default"}}, 5 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Settler{Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
			o := pending.Obligation{Key: pending.Key{Run: "r"}, Kind: pending.DropDomain, Device: "gw", Identity: "A1", Domain: "dprun-drill-r-a", Since: time.Now().Add(-c.since)}
			if err := s.drop(t.Context(), &another{identity: "A1", domains: c.domains}, o, func() bool { return true }); (err == nil) != c.done {
				t.Errorf("%v", err)
			}
		})
	}
}
