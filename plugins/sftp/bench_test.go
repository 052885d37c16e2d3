package sftp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// benchSize is the file of the comparison; DPRUN_BENCH_MB makes it smaller.
func benchSize(b *testing.B) int {
	mb := 1000
	if v := os.Getenv("DPRUN_BENCH_MB"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
		mb = n
	}
	return mb * 1_000_000
}

// BenchmarkStore compares a Store with OpenSSH's own client, the two taking
// turns against one server: "sent" with put, "read_back" with put, get and
// sha256sum. "fsync" is put with -f, which flushes as Store always does.
//
// A ratio above 1 means that Store is faster. DPRUN_BENCH_DIR is where the
// server's files are (default: the temporary directory).
func BenchmarkStore(b *testing.B) {
	s, err := sshd.Run(b.Context(), sshd.Options{Base: os.Getenv("DPRUN_BENCH_DIR")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r := request(b, "file", benchSize(b))
	d := open(b, configFor(b, s))
	if _, err := d.Check(b.Context()); err != nil { // connects, as a run has before it stores
		b.Fatal(err)
	}
	peer := &opensshClient{b: b, s: s, local: r.Source, back: filepath.Join(b.TempDir(), "back")}

	var total struct{ sent, readBack, put, fsync, whole time.Duration }
	n := 0
	for b.Loop() {
		n++
		total.put += timed(func() { peer.run("put " + r.Source + " peer\n") })
		peer.remove()
		total.sent += storeOnce(b, d, r, sdk.VerifySent, n)
		total.fsync += timed(func() { peer.run("put -f " + r.Source + " peer\n") })
		peer.remove()
		total.readBack += storeOnce(b, d, r, sdk.VerifyReadBack, n)
		total.whole += timed(peer.putGetSum)
		peer.remove()
	}
	ratio := func(peer, ours time.Duration) float64 { return peer.Seconds() / ours.Seconds() }
	seconds := func(t time.Duration) float64 { return t.Seconds() / float64(n) }
	b.ReportMetric(seconds(total.sent), "sent-s")
	b.ReportMetric(seconds(total.readBack), "read_back-s")
	b.ReportMetric(ratio(total.put, total.sent), "sent/put")
	b.ReportMetric(ratio(total.fsync, total.sent), "sent/put-f")
	b.ReportMetric(ratio(total.whole, total.readBack), "read_back/put+get+sum")
	b.SetBytes(r.Size)
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func storeOnce(b *testing.B, d *destination, r sdk.StoreRequest, v sdk.Verify, n int) time.Duration {
	r.Verify = v
	r.Path = fmt.Sprintf("%s-%d", v, n)
	start := time.Now()
	report, err := d.Store(b.Context(), r, nil)
	took := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	if !report.Durable || report.Existed {
		b.Fatalf("not a plain store: %+v", report)
	}
	if err := d.Delete(b.Context(), r.Path); err != nil {
		b.Fatal(err)
	}
	return took
}

// opensshClient runs sftp as a person would: with its own defaults.
type opensshClient struct {
	b           *testing.B
	s           *sshd.Server
	local, back string
}

func (c *opensshClient) run(batch string) {
	cmd := exec.CommandContext(c.b.Context(), "sftp", "-q", "-b", "-", "-i", c.s.PrivateKey, "-P", strconv.Itoa(c.s.Port),
		"-o", "UserKnownHostsFile="+c.s.KnownHosts, "-o", "IdentitiesOnly=yes", c.s.User+"@"+c.s.Host)
	cmd.Stdin = strings.NewReader(batch)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.b.Fatalf("sftp: %v: %s", err, out)
	}
}

func (c *opensshClient) remove() {
	for _, f := range []string{filepath.Join(c.s.Dir, "peer"), c.back} {
		if err := os.Remove(f); err != nil && !os.IsNotExist(err) {
			c.b.Fatal(err)
		}
	}
}

func (c *opensshClient) putGetSum() {
	c.run("put " + c.local + " peer\n")
	c.run("get peer " + c.back + "\n")
	if out, err := exec.CommandContext(c.b.Context(), "sha256sum", c.back).CombinedOutput(); err != nil {
		c.b.Fatalf("sha256sum: %v: %s", err, out)
	}
}
