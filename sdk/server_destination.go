package sdk

import (
	"cmp"
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// listBatch is how many objects travel in one message.
const listBatch = 500

type destinationServer struct {
	pluginv1.UnimplementedDestinationServer
	s *Server
}

// answered turns an empty answer without an error into a failure of the plugin.
func answered[R any](result *R, err error, call failure.Call) error {
	if err == nil && result == nil {
		return failure.New(failure.Internal, failure.Protocol, "%s: the plugin returned neither a result nor an error", call)
	}
	return err
}

func (d destinationServer) Check(ctx context.Context, r *pluginv1.DestinationCheckRequest) (*pluginv1.DestinationCheckReply, error) {
	rep, err := asked(d.s, failure.CallCheckDestination, r.Instance, func(i Destination) (*DestinationReport, error) { return i.Check(ctx) })
	if err != nil {
		return nil, err
	}
	return &pluginv1.DestinationCheckReply{Free: rep.Free, Total: rep.Total, Location: rep.Location, WriteOnly: rep.WriteOnly, Warnings: rep.Warnings}, nil
}

func (d destinationServer) Store(r *pluginv1.StoreRequest, stream pluginv1.Destination_StoreServer) error {
	i, err := instance[Destination](d.s, r.Instance)
	if err != nil {
		return err
	}
	if err := CheckPath(r.Path); err != nil {
		return err
	}
	out := newSender(stream.Send)
	defer out.close()
	rep, err := i.Store(stream.Context(), StoreRequest{
		Source: r.Source, Path: r.Path, Size: r.Size, SHA256: r.Sha256, Verify: cmp.Or(wire.Word[Verify](r.Verify), VerifyReadBack), Owner: r.Owner,
	}, func(n int64) { out.event(&pluginv1.StoreEvent{Bytes: n}, true) })
	if err := answered(rep, err, failure.CallStore); err != nil {
		return err
	}
	out.event(&pluginv1.StoreEvent{Bytes: rep.Size, Done: &pluginv1.StoreReport{
		Location: rep.Location, Size: rep.Size, Sha256: rep.SHA256, Verified: wire.Enum[pluginv1.Verify](rep.Verified), Durable: rep.Durable, ModeKept: rep.ModeKept,
		Existed: rep.Existed, Warnings: rep.Warnings,
	}}, false)
	return nil
}

func objectToWire(o Object) *pluginv1.Object {
	w := &pluginv1.Object{Path: o.Path, Size: o.Size}
	if !o.Modified.IsZero() {
		w.Modified = timestamppb.New(o.Modified)
	}
	return w
}

func (d destinationServer) Fetch(r *pluginv1.FetchRequest, stream pluginv1.Destination_FetchServer) error {
	i, err := able[Reader](d.s, failure.CallFetch, r.Instance)
	if err != nil {
		return err
	}
	return fetched(r.Path, failure.CallFetch, stream, func(progress func(int64)) (*FetchReport, error) {
		return i.Fetch(stream.Context(), FetchRequest{Path: r.Path, File: r.File}, progress)
	})
}

// fetched answers a call that reads one object.
func fetched(path string, call failure.Call, stream grpc.ServerStreamingServer[pluginv1.FetchEvent], read func(progress func(int64)) (*FetchReport, error)) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	out := newSender(stream.Send)
	defer out.close()
	rep, err := read(func(n int64) { out.event(&pluginv1.FetchEvent{Bytes: n}, true) })
	if err := answered(rep, err, call); err != nil {
		return err
	}
	out.event(&pluginv1.FetchEvent{Bytes: rep.Size, Done: &pluginv1.FetchReport{Size: rep.Size, Sha256: rep.SHA256}}, false)
	return nil
}

func (d destinationServer) Sum(r *pluginv1.SumRequest, stream pluginv1.Destination_SumServer) error {
	i, err := able[Summer](d.s, failure.CallSum, r.Instance)
	if err != nil {
		return err
	}
	return fetched(r.Path, failure.CallSum, stream, func(progress func(int64)) (*FetchReport, error) { return i.Sum(stream.Context(), r.Path, progress) })
}

// lister returns the method that the request asks for: List or Leftovers.
func (d destinationServer) lister(r *pluginv1.ListRequest) (func(context.Context, string) ([]Object, error), error) {
	if r.Leftovers {
		i, err := able[LeftoverLister](d.s, failure.CallList, r.Instance)
		if err != nil {
			return nil, err
		}
		return i.Leftovers, nil
	}
	i, err := able[Lister](d.s, failure.CallList, r.Instance)
	if err != nil {
		return nil, err
	}
	return i.List, nil
}

func (d destinationServer) List(r *pluginv1.ListRequest, stream pluginv1.Destination_ListServer) error {
	list, err := d.lister(r)
	if err != nil {
		return err
	}
	if err := checkPrefix(r.Prefix); err != nil {
		return err
	}
	objects, err := list(stream.Context(), r.Prefix)
	if err != nil {
		return err
	}
	for len(objects) > 0 {
		n := min(listBatch, len(objects))
		e := &pluginv1.ListEvent{}
		for _, o := range objects[:n] {
			e.Objects = append(e.Objects, objectToWire(o))
		}
		if err := stream.Send(e); err != nil {
			return err
		}
		objects = objects[n:]
	}
	return stream.Send(&pluginv1.ListEvent{Done: &pluginv1.ListDone{}})
}

func (d destinationServer) Delete(ctx context.Context, r *pluginv1.DeleteRequest) (*pluginv1.DeleteReply, error) {
	i, err := able[Deleter](d.s, failure.CallDelete, r.Instance)
	if err != nil {
		return nil, err
	}
	if err := CheckPath(r.Path); err != nil {
		return nil, err
	}
	return &pluginv1.DeleteReply{}, i.Delete(ctx, r.Path)
}

func (d destinationServer) Sweep(ctx context.Context, r *pluginv1.SweepRequest) (*pluginv1.SweepReply, error) {
	i, err := able[Sweeper](d.s, failure.CallSweep, r.Instance)
	if err != nil {
		return nil, err
	}
	if err := checkPrefix(r.Prefix); err != nil {
		return nil, err
	}
	rep, err := i.Sweep(ctx, SweepRequest{Prefix: r.Prefix, Owner: r.Owner, OlderThan: r.OlderThan.AsDuration()})
	if err := answered(rep, err, failure.CallSweep); err != nil {
		return nil, err
	}
	return &pluginv1.SweepReply{Removed: rep.Removed}, nil
}
