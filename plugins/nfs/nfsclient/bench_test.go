package nfsclient_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
)

// transfer is what the benchmarks move: 1 GB. `make bench` compares with another client.
const transfer = 1e9

// BenchmarkWriteSizes compares sizes of one WRITE and widths of the window.
func BenchmarkWriteSizes(b *testing.B) {
	srv := ganesha.Start(b, ganesha.WithSize(3<<30))
	source := sourceFile(b)
	for _, c := range []struct{ size, window int }{
		{64 << 10, 8}, {128 << 10, 8}, {256 << 10, 2}, {256 << 10, 4}, {256 << 10, 8}, {256 << 10, 16},
		{512 << 10, 4}, {512 << 10, 8}, {1 << 20, 2}, {1 << 20, 4}, {1 << 20, 8},
	} {
		b.Run(fmt.Sprintf("%dKiBx%d", c.size>>10, c.window), func(b *testing.B) {
			f := mountServer(b, srv, func(o *nfsclient.Options) { o.WriteSize, o.Window = c.size, c.window })
			var total time.Duration
			for b.Loop() {
				total += writeOurs(b, f, source)
			}
			b.ReportMetric(float64(transfer)*float64(b.N)/1e6/total.Seconds(), "MB/s")
		})
	}
}

// BenchmarkRead reads 1 GB back and hashes it.
func BenchmarkRead(b *testing.B) {
	f := mountServer(b, ganesha.Start(b, ganesha.WithSize(3<<30)), nil)
	file := need.Value(f.Create(b.Context(), "read"))(b)
	need.Value(file.WriteFrom(b.Context(), content(transfer)))(b)
	b.SetBytes(transfer)
	for b.Loop() {
		open := need.Value(f.Open(b.Context(), "read"))(b)
		need.Value(open.WriteTo(b.Context(), sha256.New()))(b)
	}
}

func sourceFile(b *testing.B) string {
	b.Helper()
	f := need.Value(os.CreateTemp(b.TempDir(), "source"))(b)
	defer f.Close()
	need.Value(io.Copy(f, content(transfer)))(b)
	need.Done(b, f.Sync())
	return f.Name()
}

func writeOurs(b *testing.B, f *nfsclient.FS, source string) time.Duration {
	b.Helper()
	in := need.Value(os.Open(source))(b)
	defer in.Close()
	ctx := b.Context()
	start := time.Now()
	file := need.Value(f.Create(ctx, "ours"))(b)
	if n, err := file.WriteFrom(ctx, io.TeeReader(in, sha256.New())); err != nil || n != transfer {
		b.Fatal(n, err)
	}
	need.Done(b, file.Commit(ctx))
	took := time.Since(start)
	need.Done(b, f.Remove(ctx, "ours"))
	return took
}
