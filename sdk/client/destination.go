package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

type destination struct {
	instance
	offered
	c pluginv1.DestinationClient
}

var _ interface {
	sdk.Destination
	sdk.Sweeper
	sdk.Reader
	sdk.Lister
	sdk.Deleter
	sdk.Summer
	sdk.LeftoverLister
} = (*destination)(nil)

func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	r, err := d.c.Check(ctx, &pluginv1.DestinationCheckRequest{Instance: d.id})
	if err != nil {
		return nil, d.p.fail(failure.CallCheckDestination, err)
	}
	return &sdk.DestinationReport{Free: r.Free, Total: r.Total, Location: r.Location, WriteOnly: r.WriteOnly, Warnings: r.Warnings}, nil
}

func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	return follow(ctx, d.p, failure.CallStore, d.c.Store, &pluginv1.StoreRequest{
		Instance: d.id, Source: r.Source, Path: r.Path, Size: r.Size, Sha256: r.SHA256, Verify: wire.Enum[pluginv1.Verify](r.Verify), Owner: r.Owner,
	}, func(e *pluginv1.StoreEvent) *sdk.StoreReport {
		if progress != nil {
			progress(e.Bytes)
		}
		if e.Done == nil {
			return nil
		}
		return &sdk.StoreReport{
			Location: e.Done.Location, Size: e.Done.Size, SHA256: e.Done.Sha256, Verified: wire.Word[sdk.Verify](e.Done.Verified),
			Durable: e.Done.Durable, ModeKept: e.Done.ModeKept, Existed: e.Done.Existed, Warnings: e.Done.Warnings,
		}
	})
}

func objectFromWire(w *pluginv1.Object) sdk.Object {
	return sdk.Object{Path: w.Path, Size: w.Size, Modified: timeFromWire(w.Modified)}
}

func timeFromWire(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	return follow(ctx, d.p, failure.CallFetch, d.c.Fetch, &pluginv1.FetchRequest{Instance: d.id, Path: r.Path, File: r.File}, fetchReport(progress))
}

func (d *destination) Sum(ctx context.Context, path string, progress func(int64)) (*sdk.FetchReport, error) {
	return follow(ctx, d.p, failure.CallSum, d.c.Sum, &pluginv1.SumRequest{Instance: d.id, Path: path}, fetchReport(progress))
}

// fetchReport handles the events of a fetch: it passes progress on and returns the
// report for the last event, nil before.
func fetchReport(progress func(int64)) func(*pluginv1.FetchEvent) *sdk.FetchReport {
	return func(e *pluginv1.FetchEvent) *sdk.FetchReport {
		if progress != nil {
			progress(e.Bytes)
		}
		if e.Done == nil {
			return nil
		}
		return &sdk.FetchReport{Size: e.Done.Size, SHA256: e.Done.Sha256}
	}
}

func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return d.list(ctx, &pluginv1.ListRequest{Instance: d.id, Prefix: prefix})
}

func (d *destination) Leftovers(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return d.list(ctx, &pluginv1.ListRequest{Instance: d.id, Prefix: prefix, Leftovers: true})
}

func (d *destination) list(ctx context.Context, r *pluginv1.ListRequest) ([]sdk.Object, error) {
	var objects []sdk.Object
	_, err := follow(ctx, d.p, failure.CallList, d.c.List, r, func(e *pluginv1.ListEvent) *pluginv1.ListDone {
		for _, o := range e.Objects {
			objects = append(objects, objectFromWire(o))
		}
		return e.Done
	})
	if err != nil {
		return nil, err
	}
	return objects, nil
}

func (d *destination) Delete(ctx context.Context, path string) error {
	_, err := d.c.Delete(ctx, &pluginv1.DeleteRequest{Instance: d.id, Path: path})
	return d.p.fail(failure.CallDelete, err)
}

func (d *destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	rep, err := d.c.Sweep(ctx, &pluginv1.SweepRequest{Instance: d.id, Prefix: r.Prefix, Owner: r.Owner, OlderThan: durationpb.New(r.OlderThan)})
	if err != nil {
		return nil, d.p.fail(failure.CallSweep, err)
	}
	return &sdk.SweepReport{Removed: rep.Removed}, nil
}
