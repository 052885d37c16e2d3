package pluginhost

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dprun/dprun/sdk/client"
)

// door redacts every message of a plugin on its way in: afterwards no text in it holds
// a known secret. Every field counts as text unless it is listed in [identifiers], so
// that new fields are covered from the start.
type door struct{ redact func(string) string }

func (d door) unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, conn, opts...)
	if m, ok := reply.(proto.Message); ok && strings.HasPrefix(method, client.Service) {
		d.clean(m.ProtoReflect())
	}
	return err
}

func (d door) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, conn, method, opts...)
	if err != nil || !strings.HasPrefix(method, client.Service) {
		return s, err
	}
	return doorStream{s, d}, nil
}

type doorStream struct {
	grpc.ClientStream
	door door
}

func (s doorStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if p, ok := m.(proto.Message); ok && err == nil {
		s.door.clean(p.ProtoReflect())
	}
	return err
}

// identifiers are fields that are not texts for people. They are compared, looked up or
// sent back. A weak password that happens to equal one must not change it.
var identifiers = map[protoreflect.FullName]bool{
	"dprun.plugin.v1.DescribeReply.schema":   true, // requested before the process knows any secret
	"dprun.plugin.v1.StoreReport.sha256":     true,
	"dprun.plugin.v1.Object.path":            true,
	"dprun.plugin.v1.FetchReport.sha256":     true,
	"dprun.plugin.v1.Unread.domain":          true,
	"dprun.plugin.v1.Facts.identity":         true,
	"dprun.plugin.v1.Facts.tls_fingerprint":  true,
	"dprun.plugin.v1.Domain.name":            true,
	"dprun.plugin.v1.SourceCheckReply.token": true,
	"dprun.plugin.v1.CaptureProgress.token":  true,
	"dprun.plugin.v1.CaptureReport.token":    true,
	"dprun.plugin.v1.Artifact.name":          true,
	"dprun.plugin.v1.Artifact.sha256":        true,
}

// clean redacts every text of a message and of the messages in it.
func (d door) clean(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case identifiers[f.FullName()]:
		case f.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, d.value(f, v.List().Get(i)))
			}
		case f.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, of protoreflect.Value) bool {
				v.Map().Set(k, d.value(f.MapValue(), of))
				return true
			})
		default:
			m.Set(f, d.value(f, v))
		}
		return true
	})
}

func (d door) value(f protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(d.redact(v.String()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(d.redact(string(v.Bytes()))))
	case protoreflect.MessageKind:
		d.clean(v.Message())
	}
	return v
}
