package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"

	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// wire changes what the SDK would say, as a plugin that is written without it might.
type wire struct{ mutant string }

var described atomic.Int64

func (w wire) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if _, ok := req.(*pluginv1.ReleaseRequest); ok && w.mutant == "never_releases" {
		return &pluginv1.ReleaseReply{}, nil
	}
	reply, err := handler(ctx, req)
	if _, ok := req.(*pluginv1.ConfigureRequest); ok && err != nil && w.mutant == "untyped_configure" {
		return nil, errors.New(err.Error())
	}
	switch r := reply.(type) {
	case *pluginv1.DescribeReply:
		if w.mutant == "describe_counts" {
			return &pluginv1.DescribeReply{Schema: bytes.Replace(r.Schema, []byte(`"doc":"`), fmt.Appendf(nil, `"doc":"%d `, described.Add(1)), 1)}, err
		}
	case *pluginv1.ValidateConfigReply:
		if r == nil {
			return r, err
		}
		kept := r.Diagnostics[:0]
		for _, d := range r.Diagnostics {
			if w.mutant == "takes_any_value" && d.Summary == "Invalid value" {
				continue
			}
			if w.mutant == "pathless" && d.Summary == "Missing argument" {
				d.Path = nil
			}
			kept = append(kept, d)
		}
		r.Diagnostics = kept
	}
	return reply, err
}

func (w wire) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if w.mutant == "backslashes" {
		ss = slashes{ss}
	}
	return handler(srv, ss)
}

type slashes struct{ grpc.ServerStream }

func (s slashes) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if r, ok := m.(*pluginv1.StoreRequest); ok {
		r.Path = strings.ReplaceAll(r.Path, `\`, "/")
	}
	return err
}
