package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// sftp stores one large file on an SSH server. dprun's times hold connecting,
// logging in, fsync and rename; starting the plugin's process is not in them.
func (b *bench) sftp(ctx context.Context) error { return b.onMedia(ctx, b.sftpOn) }

// onMedia measures the storing of one large file with a server's files on each medium.
func (b *bench) onMedia(ctx context.Context, measure func(context.Context, medium, *pluginhost.Host, sdk.StoreRequest) error) error {
	r, err := b.staged()
	if err != nil {
		return err
	}
	defer os.Remove(r.Source)
	host, err := b.plugins()
	if err != nil {
		return err
	}
	defer func() { _ = host.Close() }()
	media, remove, err := b.media()
	if err != nil {
		return err
	}
	defer remove()
	for _, m := range media {
		if err := measure(ctx, m, host, r); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) sftpOn(ctx context.Context, m medium, host *pluginhost.Host, r sdk.StoreRequest) error {
	s, err := sshd.Run(ctx, sshd.Options{Base: m.dir})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	dirs, err := remoteDirectories(s, "ours", "peer")
	if err != nil {
		return err
	}
	ours, peer := dirs[0], dirs[1]
	key, err := os.ReadFile(s.PrivateKey)
	if err != nil {
		return err
	}
	config, err := configFor[sftp.Config](map[string]cty.Value{
		"host": cty.StringVal(s.Host), "port": cty.NumberIntVal(int64(s.Port)), "username": cty.StringVal(s.User),
		"private_key": cty.StringVal(string(key)), "known_hosts": cty.StringVal(s.KnownHosts), "directory": cty.StringVal(ours),
	})
	if err != nil {
		return err
	}
	store := func(v sdk.Verify) contender {
		return contender{"dprun " + string(v), func(ctx context.Context, _ int) (map[string]float64, error) {
			start := time.Now()
			d, err := host.Destination(ctx, "sftp", config)
			if err != nil {
				return nil, err
			}
			r := r
			r.Path = "file"
			err = storeOnce(ctx, d, r, v)
			took := time.Since(start)
			if cerr := d.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return nil, err
			}
			return wall(took), emptyDirectory(ours)
		}}
	}
	remote, back := filepath.Join(peer, "file"), filepath.Join(m.dir, "back")
	openssh := func(name, batch string, sum bool) contender {
		return contender{name, func(ctx context.Context, _ int) (map[string]float64, error) {
			start := time.Now()
			args := sftpCommand(s)
			cmd := command(ctx, nil, args[0], args[1:]...)
			cmd.Stdin = strings.NewReader(batch)
			_, err := output(cmd)
			if err == nil && sum {
				_, err = output(command(ctx, nil, "sha256sum", back))
			}
			took := time.Since(start)
			if err != nil {
				return nil, err
			}
			if sum {
				if err := os.Remove(back); err != nil {
					return nil, err
				}
			}
			return wall(took), os.Remove(remote)
		}}
	}
	put := fmt.Sprintf("put %s %s\n", r.Source, remote)
	t, err := b.interleave(ctx,
		openssh("put", put, false), store(sdk.VerifySent),
		openssh("put -f", strings.Replace(put, "put", "put -f", 1), false), store(sdk.VerifyReadBack),
		openssh("put, get, sum", put+fmt.Sprintf("get %s %s\n", remote, back), true))
	if err != nil {
		return err
	}
	id, size := "d.sent."+m.name, fmt.Sprintf("%d MB to sshd, its files on %s: ", b.megabytes, m.name)
	sent, readBack := t.of("dprun sent"), t.of("dprun read_back")
	b.add(faster(id, size+`verify = "sent" against OpenSSH sftp's put`, sent, t.of("put"), 1.2).with("ours is durable, put is not"))
	b.add(faster(id+".fsync", size+`verify = "sent" against put -f`, sent, t.of("put -f"), 1.2).with("both durable"))
	b.add(faster("d.read_back."+m.name, size+`verify = "read_back" against put, get and sha256sum`, readBack, t.of("put, get, sum"), 1.2))
	return nil
}
