package wrong

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// DestinationConfig is the `config` block of a destination "wrong".
type DestinationConfig struct {
	Mode      string `dprun:"mode,required" oneof:"damage|lie|lie_of_manifest|unverified|hang|deaf|crash|flood|away" doc:"What goes wrong with a store: the storage damages it, the plugin says another size than it has (of every file, or of the manifest only), or that it did not read it back, it never ends, not even when it is given up (deaf), the process ends in the middle, it writes to its log without end meanwhile, or it finds nobody there the first five times."`
	Directory string `dprun:"directory,required" format:"path" doc:"Where the files are stored."`
	Only      string `dprun:"only" doc:"What goes wrong goes wrong with names that hold this alone; all others are stored well."`
}

type destination struct {
	DestinationConfig
	log    *slog.Logger
	stores atomic.Int32
}

var _ sdk.Destination = (*destination)(nil)

// Check implements [sdk.Destination].
func (d *destination) Check(context.Context) (*sdk.DestinationReport, error) {
	return &sdk.DestinationReport{Free: -1, Total: -1, Location: d.Directory}, nil
}

// Store goes wrong. A damaged copy is found by reading it back, and not published.
func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, _ func(int64)) (*sdk.StoreReport, error) {
	body, err := os.ReadFile(r.Source)
	if err != nil {
		return nil, failure.New(failure.NotFound, failure.SourceIO, "read %s: %w", r.Source, err)
	}
	mode := d.Mode
	if !strings.Contains(r.Path, d.Only) {
		mode = ""
	}
	switch mode {
	case "deaf":
		select {}
	case "crash":
		fmt.Fprintln(os.Stderr, "tape jammed at "+r.Path)
		os.Exit(3)
	case "flood":
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			d.log.Info("the tape moves", "at", strings.Repeat("m", 4096))
			fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 1000))
		}
	case "away":
		if d.stores.Add(1) <= 5 {
			return nil, failure.New(failure.Unavailable, failure.Unreachable, "connect to %s: connection refused", d.Directory).WithRemedy("start the server")
		}
	case "hang":
		<-ctx.Done()
		return nil, failure.From(ctx.Err())
	case "damage":
		body[len(body)/2] ^= 1
	}
	final := filepath.Join(d.Directory, filepath.FromSlash(r.Path))
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return nil, failure.New(failure.Unavailable, failure.NoDirectory, "make a directory: %w", err)
	}
	temporary := final + ".part"
	if err := os.WriteFile(temporary, body, 0o600); err != nil {
		return nil, failure.New(failure.Unavailable, failure.ReadOnly, "write %s: %w", temporary, err)
	}
	back, err := os.ReadFile(temporary)
	if sum := sha256.Sum256(back); err != nil || hex.EncodeToString(sum[:]) != r.SHA256 {
		_ = os.Remove(temporary)
		return nil, failure.New(failure.Corrupt, failure.Mismatch, "%s is not what was sent when it is read back", r.Path)
	}
	if err := os.Rename(temporary, final); err != nil {
		return nil, failure.New(failure.Unavailable, failure.ReadOnly, "publish %s: %w", final, err)
	}
	out := &sdk.StoreReport{Location: final, Size: r.Size, SHA256: r.SHA256, Verified: r.Verify, Durable: true, ModeKept: true}
	switch {
	case mode == "lie", mode == "lie_of_manifest" && strings.HasSuffix(r.Path, ".dprun.json"):
		out.Size++
	case mode == "unverified":
		out.Verified = sdk.VerifySent
	}
	return out, nil
}

// Close implements [sdk.Destination].
func (d *destination) Close() error { return nil }
