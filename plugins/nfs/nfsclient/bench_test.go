package nfsclient_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	publicnfs "github.com/willscott/go-nfs-client/nfs"
	"github.com/willscott/go-nfs-client/nfs/rpc"
	"github.com/willscott/go-nfs-client/nfs/xdr"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/testfixtures/ganesha"
)

// transfer is what the benchmarks move: 1 GB.
const transfer = 1e9

// BenchmarkWriteCommitted writes a local file of 1 GB to a real server, hashing
// it on the way, and makes it durable. Each round runs the public Go client on
// the same file just before or after, and the ratio of their speeds is the
// figure to look at: the speed itself is mostly that of the server's disk.
func BenchmarkWriteCommitted(b *testing.B) {
	for _, export := range []struct {
		name    string
		options []ganesha.Option
	}{
		{"memory", []ganesha.Option{ganesha.WithSize(3 << 30)}},
		{"disk", nil},
	} {
		b.Run(export.name, func(b *testing.B) {
			srv := ganesha.Start(b, export.options...)
			source := sourceFile(b)
			f := mountServer(b, srv, nil)
			peer := mountPeer(b, srv)
			var ours, theirs time.Duration
			for i := range b.N {
				rounds := []func(){
					func() { ours += writeOurs(b, f, source) },
					func() { theirs += writePeer(b, peer, source) },
				}
				rounds[i%2]()
				rounds[1-i%2]()
			}
			b.SetBytes(transfer)
			b.ReportMetric(float64(transfer)*float64(b.N)/1e6/ours.Seconds(), "MB/s-ours")
			b.ReportMetric(float64(transfer)*float64(b.N)/1e6/theirs.Seconds(), "MB/s-public")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-public")
		})
	}
}

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

// BenchmarkRead reads 1 GB back and hashes it, as the public Go client does.
func BenchmarkRead(b *testing.B) {
	srv := ganesha.Start(b, ganesha.WithSize(3<<30))
	f := mountServer(b, srv, nil)
	peer := mountPeer(b, srv)
	file, err := f.Create(b.Context(), "read")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := file.WriteFrom(b.Context(), content(transfer)); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		open, err := f.Open(b.Context(), "read")
		if err != nil {
			b.Fatal(err)
		}
		mine := sha256.New()
		if _, err := open.WriteTo(b.Context(), mine); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)

		start = time.Now()
		other, err := peer.Open("/read")
		if err != nil {
			b.Fatal(err)
		}
		his := sha256.New()
		if _, err := io.CopyBuffer(onlyWriter{his}, other, make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(start)
		if !bytes.Equal(mine.Sum(nil), his.Sum(nil)) {
			b.Fatal("the two clients read different content")
		}
	}
	b.ReportMetric(float64(transfer)*float64(b.N)/1e6/ours.Seconds(), "MB/s-ours")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-public")
}

type onlyWriter struct{ io.Writer }

func sourceFile(b *testing.B) string {
	b.Helper()
	f, err := os.CreateTemp(b.TempDir(), "source")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, content(transfer)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return f.Name()
}

func writeOurs(b *testing.B, f *nfsclient.FS, source string) time.Duration {
	b.Helper()
	in, err := os.Open(source)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	ctx := b.Context()
	start := time.Now()
	file, err := f.Create(ctx, "ours")
	if err != nil {
		b.Fatal(err)
	}
	if n, err := file.WriteFrom(ctx, io.TeeReader(in, sha256.New())); err != nil || n != transfer {
		b.Fatal(n, err)
	}
	if err := file.Commit(ctx); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if err := f.Remove(ctx, "ours"); err != nil {
		b.Fatal(err)
	}
	return took
}

// writePeer writes by the public client, which asks for every WRITE to be
// durable when it is answered.
func writePeer(b *testing.B, target *publicnfs.Target, source string) time.Duration {
	b.Helper()
	in, err := os.Open(source)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	start := time.Now()
	file, err := target.OpenFile("/peer", 0o640)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyBuffer(onlyWriter{file}, io.TeeReader(in, sha256.New()), make([]byte, 1<<20)); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if err := target.Remove("/peer"); err != nil {
		b.Fatal(err)
	}
	return took
}

// mountPeer mounts by the public client. Its own Mount wants both services on
// one connection, so the mount call is made here.
func mountPeer(b *testing.B, s *ganesha.Server) *publicnfs.Target {
	b.Helper()
	auth := rpc.NewAuthUnix("bench", 0, 0).Auth()
	mountd, err := rpc.DialTCP("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.MountPort)), true)
	if err != nil {
		b.Fatal(err)
	}
	defer mountd.Close()
	res, err := mountd.Call(&struct {
		rpc.Header
		Dirpath string
	}{rpc.Header{Rpcvers: 2, Prog: publicnfs.MountProg, Vers: publicnfs.MountVers, Proc: publicnfs.MountProc3MNT, Cred: auth, Verf: rpc.AuthNull}, s.Export})
	if err != nil {
		b.Fatal(err)
	}
	if status, err := xdr.ReadUint32(res); err != nil || status != 0 {
		b.Fatalf("mount: status %d: %v", status, err)
	}
	root, err := xdr.ReadOpaque(res)
	if err != nil {
		b.Fatal(err)
	}
	nfsd, err := rpc.DialTCP("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.NFSPort)), true)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nfsd.Close)
	target, err := publicnfs.NewTargetWithClient(nfsd, auth, root, s.Export, 0)
	if err != nil {
		b.Fatal(err)
	}
	return target
}
