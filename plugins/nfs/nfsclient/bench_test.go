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
	"github.com/dprun/dprun/testfixtures/need"
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
	file := need.Value(f.Create(b.Context(), "read"))(b)
	need.Value(file.WriteFrom(b.Context(), content(transfer)))(b)
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		open := need.Value(f.Open(b.Context(), "read"))(b)
		mine := sha256.New()
		need.Value(open.WriteTo(b.Context(), mine))(b)
		ours += time.Since(start)

		start = time.Now()
		other := need.Value(peer.Open("/read"))(b)
		his := sha256.New()
		need.Value(io.CopyBuffer(onlyWriter{his}, other, make([]byte, 1<<20)))(b)
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

// writePeer writes by the public client, which asks for every WRITE to be
// durable when it is answered.
func writePeer(b *testing.B, target *publicnfs.Target, source string) time.Duration {
	b.Helper()
	in := need.Value(os.Open(source))(b)
	defer in.Close()
	start := time.Now()
	file := need.Value(target.OpenFile("/peer", 0o640))(b)
	need.Value(io.CopyBuffer(onlyWriter{file}, io.TeeReader(in, sha256.New()), make([]byte, 1<<20)))(b)
	need.Done(b, file.Close())
	took := time.Since(start)
	need.Done(b, target.Remove("/peer"))
	return took
}

// mountPeer mounts by the public client. Its own Mount wants both services on
// one connection, so the mount call is made here.
func mountPeer(b *testing.B, s *ganesha.Server) *publicnfs.Target {
	b.Helper()
	auth := rpc.NewAuthUnix("bench", 0, 0).Auth()
	mountd := need.Value(rpc.DialTCP("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.MountPort)), true))(b)
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
	root := need.Value(xdr.ReadOpaque(res))(b)
	nfsd := need.Value(rpc.DialTCP("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.NFSPort)), true))(b)
	b.Cleanup(nfsd.Close)
	target := need.Value(publicnfs.NewTargetWithClient(nfsd, auth, root, s.Export, 0))(b)
	return target
}
