package sftp

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestShortAnswersAreNoShortFiles: servers give less than they are asked for,
// 64 KiB, 32 KiB or whatever they like, behind any banner.
func TestShortAnswersAreNoShortFiles(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]uint32{"64 KiB": 64 << 10, "32 KiB": 32 << 10, "1 KiB": 1 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, &fakeServer{password: fakePassword, banner: "SSH-2.0-OpenSSH_8.4p1 Debian-5", short: limit})
			for what, change := range map[string]func(*Config){"as the server says": func(*Config) {}, "as the plan says": func(c *Config) { c.PacketSize = 70_000; c.Concurrency = 3 }} {
				c := f.config()
				change(&c)
				d := open(t, c)
				r := request(t, what, 3_000_017)
				for _, existed := range []bool{false, true} { // compared with what stands there
					got, err := d.Store(within(t, testLimit), r, nil)
					if err != nil || got.Existed != existed || got.Verified != sdk.VerifyReadBack {
						t.Fatalf("%s: got %+v, %v; want a copy that was read back, existed %v", what, got, err, existed)
					}
				}
				back := filepath.Join(t.TempDir(), "back")
				fetched, err := d.Fetch(within(t, testLimit), sdk.FetchRequest{Path: what, File: back}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(&sdk.FetchReport{Size: r.Size, SHA256: r.SHA256}, fetched); diff != "" {
					t.Errorf("%s: fetched (-want +got):\n%s", what, diff)
				}
				_ = d.Close()
			}
		})
	}
}

func TestAFileThatIsShorterOrLongerThanExpectedIsTold(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword, short: 10_000})
	d := open(t, f.config())
	for name, c := range map[string]struct{ size, expect, want int }{
		"empty": {0, 0, 0}, "empty, not expected so": {0, 5, 0}, "exact": {100_000, 100_000, 100_000}, "shorter": {99_999, 100_000, 99_999},
		"much shorter": {10, 1_000_000, 10}, "longer": {100_001, 100_000, 100_001}, "much longer": {200_000, 100_000, 100_001},
	} {
		need.Done(t, os.WriteFile(filepath.Join(f.dir, "file"), make([]byte, c.size), 0o600))
		err := on(t, d, func(s *session) error {
			var w counting
			n, err := copyOut(s, filepath.Join(f.dir, "file"), int64(c.expect), &w)
			if err != nil || n != int64(c.want) || int(w) != min(c.size, c.expect) {
				t.Errorf("%s: %d bytes, %d of them passed on, %v; want %d, %d", name, n, w, err, c.want, min(c.size, c.expect))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = d.Close()
}

type counting int

func (c *counting) Write(p []byte) (int, error) {
	*c += counting(len(p))
	return len(p), nil
}

func TestTheWindowIsWhatTheServerTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config           Config
		limits           limits
		packet, inFlight int
	}{
		"the server does not say":      {Config{}, limits{}, 32768, 64},
		"OpenSSH":                      {Config{}, limits{261120, 261120}, 261120, 16},
		"no limit":                     {Config{}, limits{1 << 40, 1 << 40}, 261120, 16},
		"small":                        {Config{}, limits{4096, 261120}, 4096, 64},
		"the plan's, not the server's": {Config{PacketSize: 1000, Concurrency: 2}, limits{261120, 261120}, 1000, 2},
	} {
		if packet, inFlight := c.config.window(c.limits); packet != c.packet || inFlight != c.inFlight {
			t.Errorf("%s: %d bytes, %d times; want %d, %d", name, packet, inFlight, c.packet, c.inFlight)
		}
	}
}
