package pluginhost

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

const canary = "s3cr3t-canary"

// fill puts the canary into every string of a message and of those within it,
// whatever fields there are.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		text := func(k protoreflect.Kind) (protoreflect.Value, bool) {
			switch k {
			case protoreflect.StringKind:
				return protoreflect.ValueOfString("with " + canary), true
			case protoreflect.BytesKind:
				return protoreflect.ValueOfBytes([]byte("with " + canary)), true
			}
			return protoreflect.Value{}, false
		}
		switch {
		case f.IsMap():
			if v, ok := text(f.MapValue().Kind()); ok {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("key").MapKey(), v)
			}
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(f).List().AppendMutable().Message())
		case f.IsList():
			if v, ok := text(f.Kind()); ok {
				m.Mutable(f).List().Append(v)
			}
		case f.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(f).Message())
		default:
			if v, ok := text(f.Kind()); ok {
				m.Set(f, v)
			}
		}
	}
}

// left lists the fields that hold the canary.
func left(m protoreflect.Message, into map[protoreflect.FullName]bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				if strings.Contains(v.String(), canary) || f.MapValue().Kind() == protoreflect.BytesKind && strings.Contains(string(v.Bytes()), canary) {
					into[f.FullName()] = true
				}
				return true
			})
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				left(v.List().Get(i).Message(), into)
			}
		case f.IsList():
			for i := range v.List().Len() {
				if strings.Contains(v.List().Get(i).String(), canary) {
					into[f.FullName()] = true
				}
			}
		case f.Kind() == protoreflect.MessageKind:
			left(v.Message(), into)
		case f.Kind() == protoreflect.BytesKind:
			if strings.Contains(string(v.Bytes()), canary) {
				into[f.FullName()] = true
			}
		case strings.Contains(v.String(), canary):
			into[f.FullName()] = true
		}
		return true
	})
}

// Everything that a plugin can answer, in every message that there is.
func TestEveryTextOfAPluginPassesTheDoor(t *testing.T) {
	t.Parallel()
	d := door{func(s string) string { return strings.ReplaceAll(s, canary, "(sensitive)") }}
	seen := map[protoreflect.FullName]bool{}
	services := pluginv1.File_dprun_plugin_v1_plugin_proto.Services()
	for i := range services.Len() {
		methods := services.Get(i).Methods()
		for j := range methods.Len() {
			m := dynamicpb.NewMessage(methods.Get(j).Output())
			fill(m)
			before, after := map[protoreflect.FullName]bool{}, map[protoreflect.FullName]bool{}
			left(m, before)
			d.clean(m)
			left(m, after)
			for f := range before {
				seen[f] = true
				if after[f] != identifiers[f] {
					t.Errorf("%s: %s: redacted %v, an identifier %v", methods.Get(j).FullName(), f, !after[f], identifiers[f])
				}
			}
			if _, err := proto.Marshal(m); err != nil {
				t.Errorf("%s: %v", methods.Get(j).FullName(), err)
			}
		}
	}
	for f := range identifiers {
		if !seen[f] {
			t.Errorf("%s is excepted and no field of an answer", f)
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d fields were seen", len(seen))
	}
}
