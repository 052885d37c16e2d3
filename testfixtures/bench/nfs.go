package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	publicnfs "github.com/willscott/go-nfs-client/nfs"
	"github.com/willscott/go-nfs-client/nfs/rpc"
	"github.com/willscott/go-nfs-client/nfs/xdr"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/ganesha"
)

// nfs stores one large file on an NFS server, durably. Both clients hash what
// they send; both have mounted the export before.
func (b *bench) nfs(ctx context.Context) error { return b.onMedia(ctx, b.nfsOn) }

func (b *bench) nfsOn(ctx context.Context, m medium, host *pluginhost.Host, r sdk.StoreRequest) (err error) {
	f := &fixture{ctx: ctx, dir: b.dir}
	defer f.cleanup()
	var options []ganesha.Option
	if m.name == "memory" {
		options = append(options, ganesha.WithSize(3*r.Size))
	}
	s := ganesha.Start(f, options...)
	config, err := configFor[nfs.Config](map[string]cty.Value{
		"server": cty.StringVal(s.Host), "export": cty.StringVal(s.Export),
		"nfs_port": cty.NumberIntVal(int64(s.NFSPort)), "mount_port": cty.NumberIntVal(int64(s.MountPort)),
	})
	if err != nil {
		return err
	}
	d, err := host.Destination(ctx, "nfs", config)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if _, err := d.Check(ctx); err != nil {
		return err
	}
	target, unmount, err := mountPublic(s)
	if err != nil {
		return err
	}
	defer unmount()
	t, err := b.interleave(ctx,
		contender{"dprun", func(ctx context.Context, _ int) (map[string]float64, error) {
			r := r
			r.Path = "ours"
			start := time.Now()
			if err := storeOnce(ctx, d, r, sdk.VerifySent); err != nil {
				return nil, err
			}
			return wall(time.Since(start)), remove(ctx, d, r.Path)
		}},
		contender{"go-nfs-client", func(context.Context, int) (map[string]float64, error) {
			start := time.Now()
			if err := writePublic(target, r.Source); err != nil {
				return nil, err
			}
			return wall(time.Since(start)), target.Remove("/peer")
		}})
	if err != nil {
		return err
	}
	b.add(faster("e.sent."+m.name, fmt.Sprintf(`%d MB to nfs-ganesha, its files on %s: verify = "sent", committed, against github.com/willscott/go-nfs-client`, b.megabytes, m.name),
		t.of("dprun"), t.of("go-nfs-client"), 1.5))
	return nil
}

// writePublic writes by the public client, which asks for every WRITE to be
// durable when it is answered. 1 MiB at a time is what serves it best.
func writePublic(target *publicnfs.Target, source string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := target.OpenFile("/peer", 0o640)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(onlyWriter{file}, io.TeeReader(in, sha256.New()), make([]byte, 1<<20)); err != nil {
		return err
	}
	return file.Close()
}

// onlyWriter hides the other methods, so that the size of a write is ours to choose.
type onlyWriter struct{ io.Writer }

// mountPublic mounts by the public client. Its own Mount wants both services on
// one connection, so the mount call is made here.
func mountPublic(s *ganesha.Server) (*publicnfs.Target, func(), error) {
	auth := rpc.NewAuthUnix("bench", 0, 0).Auth()
	mountd, err := rpc.DialTCP("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.MountPort)), true)
	if err != nil {
		return nil, nil, err
	}
	defer mountd.Close()
	res, err := mountd.Call(&struct {
		rpc.Header
		Dirpath string
	}{rpc.Header{Rpcvers: 2, Prog: publicnfs.MountProg, Vers: publicnfs.MountVers, Proc: publicnfs.MountProc3MNT, Cred: auth, Verf: rpc.AuthNull}, s.Export})
	if err != nil {
		return nil, nil, err
	}
	if status, err := xdr.ReadUint32(res); err != nil || status != 0 {
		return nil, nil, fmt.Errorf("mount %s: status %d: %w", s.Export, status, err)
	}
	root, err := xdr.ReadOpaque(res)
	if err != nil {
		return nil, nil, err
	}
	nfsd, err := rpc.DialTCP("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.NFSPort)), true)
	if err != nil {
		return nil, nil, err
	}
	target, err := publicnfs.NewTargetWithClient(nfsd, auth, root, s.Export, 0)
	if err != nil {
		nfsd.Close()
		return nil, nil, err
	}
	return target, nfsd.Close, nil
}
