package main

import (
	"archive/zip"
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"time"
)

//go:embed peer/capture.sh
var capturePeer string

//go:embed peer/finish.sh
var finishPeer string

// The statuses between which a capture lies.
const (
	captureStarted  = "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED"
	captureReceived = "received"
	captureDone     = "EXECUTION_EXPORT_DOMAIN_PERSISTED_DONE"
)

// archive backs up one large domain.
func (b *bench) archive(ctx context.Context) error {
	g, err := b.startArchive(ctx, "500MB")
	if err != nil {
		return err
	}
	defer g.close()
	ours, err := b.mkdir("ours")
	if err != nil {
		return err
	}
	work, err := b.mkdir("peer")
	if err != nil {
		return err
	}
	plan, err := g.writePlan(fileDestination(ours))
	if err != nil {
		return err
	}
	deflated := 0.0
	peer := contender{"peer", func(ctx context.Context, _ int) (map[string]float64, error) {
		env := []string{"CONFIG=" + g.curlConfig("gw"), "WORK=" + work, "REQUEST=" + exportRequest, "DOMAIN=app01"}
		start := time.Now()
		if err := script(ctx, env, capturePeer); err != nil {
			return nil, err
		}
		captured := time.Since(start)
		if err := script(ctx, env, finishPeer); err != nil {
			return nil, err
		}
		whole := time.Since(start)
		if deflated == 0 {
			var err error
			if deflated, err = deflation(filepath.Join(work, "archive.zip")); err != nil {
				return nil, err
			}
		}
		return map[string]float64{"capture": captured.Seconds(), "whole": whole.Seconds()}, emptyDirectory(work)
	}}
	dprun := contender{"dprun", func(ctx context.Context, _ int) (map[string]float64, error) {
		a, err := b.apply(ctx, plan, nil)
		if err != nil {
			return nil, err
		}
		if a.succeeded != 1 || a.bytes != 500_000_000 {
			return nil, fmt.Errorf("%d tasks succeeded with %d bytes", a.succeeded, a.bytes)
		}
		capture, err := a.between(captureStarted, captureDone)
		if err != nil {
			return nil, err
		}
		received, err := a.between(captureStarted, captureReceived)
		if err != nil {
			return nil, err
		}
		return map[string]float64{"capture": received, "verified": capture, "whole": a.wall.Seconds()}, emptyDirectory(ours)
	}}
	t, err := b.interleave(ctx, dprun, peer)
	if err != nil {
		return err
	}
	b.add(faster("b.capture", "500 MB: received, decoded and written, against curl | a streaming decoder | write and fsync",
		t["dprun"]["capture"], t["peer"]["capture"], 0).info().with("the entries deflate %.1f×", deflated))
	b.add(faster("b.capture.verified", "500 MB: the same with the verification that the peer lacks, and synced",
		t["dprun"]["verified"], t["peer"]["capture"], 0.9).with("the entries deflate %.1f×", deflated))
	b.add(t.cpu(share("b.whole", "500 MB: dprun apply to a directory against curl | decode | write, fsync, unzip -t, SHA-1 of the entries, cp, sync, sha256sum",
		t["dprun"]["whole"], t["peer"]["whole"], 1.3).with("the entries deflate %.1f×", deflated), "dprun", "peer"))
	return nil
}

// deflation is how many times larger an archive's entries are than their stored form.
func deflation(path string) (float64, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return 0, err
	}
	defer z.Close()
	var plain, stored uint64
	for _, f := range z.File {
		plain += f.UncompressedSize64
		stored += f.CompressedSize64
	}
	if stored == 0 {
		return 0, fmt.Errorf("%s: no entry has data", filepath.Base(path))
	}
	return float64(plain) / float64(stored), nil
}
