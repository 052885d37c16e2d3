package staging

import (
	"github.com/dprun/dprun/testfixtures/need"

	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
)

// BenchmarkSeal measures what follows the last byte of a 500 MB capture, which
// a plugin has written at about the rate of a network. "write+fsync" is what a
// streaming decoder without any check would still do then.
func BenchmarkSeal(b *testing.B) {
	const size, block, rate = 500 << 20, 1 << 20, 600 << 20
	content := make([]byte, block)
	rand.Read(content)
	whole := sha256.New()
	for range size / block {
		whole.Write(content)
	}
	c := sdk.Artifact{Name: "a.zip", Size: size, SHA256: hex.EncodeToString(whole.Sum(nil))}
	write := func(b *testing.B, d *Dir) *os.File {
		f, err := os.Create(filepath.Join(d.Path(), c.Name))
		need.Done(b, err)
		start := time.Now()
		for i := range size / block {
			_, err := f.Write(content)
			need.Done(b, err)
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second * block / rate)))
		}
		return f
	}
	for _, tc := range []struct {
		name         string
		follow, seal bool
	}{
		{"write+fsync", false, false},
		{"hash with fsync", false, true},
		{"followed", true, true},
	} {
		b.Run(tc.name, func(b *testing.B) {
			s := open(b)
			b.SetBytes(size)
			for b.Loop() {
				b.StopTimer()
				d := capture(b, s, "R", "task", "persisted")
				if !tc.follow {
					d.follower.end()
				}
				start := time.Now()
				f := write(b, d)
				written := time.Now()
				b.StartTimer()
				if tc.seal {
					f.Close()
					_, err := d.Seal(b.Context(), []sdk.Artifact{c})
					need.Done(b, err)
				} else {
					need.Done(b, f.Sync())
					f.Close()
				}
				b.StopTimer()
				b.ReportMetric(written.Sub(start).Seconds(), "s-write")
				b.ReportMetric(time.Since(start).Seconds(), "s-all")
				need.Done(b, d.Discard())
				b.StartTimer()
			}
		})
	}
}
