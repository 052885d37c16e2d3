package proto_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// update takes what the protocol is now for released: after something was
// added to it.
var update = flag.Bool("update", false, "write down what the protocol is now")

const released = "released/v1.binpb"

// unstable is what may still change within version 1.
const unstable = "Source"

func now() *descriptorpb.FileDescriptorProto {
	return protodesc.ToFileDescriptorProto(pluginv1.File_dprun_plugin_v1_plugin_proto)
}

func TestTheProtocolOnlyGrows(t *testing.T) {
	t.Parallel()
	current, err := proto.MarshalOptions{Deterministic: true}.Marshal(now())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(released)
	if err != nil && !*update {
		t.Fatal(err)
	}
	old := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(raw, old); err != nil {
		t.Fatal(err)
	}
	for _, b := range breaks(old, now()) {
		t.Errorf("whoever speaks version 1 no longer understands this: %s", b)
	}
	if t.Failed() || proto.Equal(old, now()) {
		return
	}
	if !*update {
		t.Fatal("the protocol has grown: write that down with `go test ./sdk/proto -update`")
	}
	if err := os.WriteFile(released, current, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryBreakIsFound(t *testing.T) {
	t.Parallel()
	type file = descriptorpb.FileDescriptorProto
	message := func(f *file, name string) *descriptorpb.DescriptorProto {
		i := slices.IndexFunc(f.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == name })
		return f.MessageType[i]
	}
	service := func(f *file, name string) *descriptorpb.ServiceDescriptorProto {
		i := slices.IndexFunc(f.Service, func(s *descriptorpb.ServiceDescriptorProto) bool { return s.GetName() == name })
		return f.Service[i]
	}
	kinds := func(f *file) *descriptorpb.EnumDescriptorProto {
		i := slices.IndexFunc(f.EnumType, func(e *descriptorpb.EnumDescriptorProto) bool { return e.GetName() == "FailureKind" })
		return f.EnumType[i]
	}
	reserve := func(m *descriptorpb.DescriptorProto, number int32, name string) {
		m.ReservedRange = append(m.ReservedRange, &descriptorpb.DescriptorProto_ReservedRange{Start: proto.Int32(number), End: proto.Int32(number + 1)})
		m.ReservedName = append(m.ReservedName, name)
	}
	for name, c := range map[string]struct {
		before, change func(*file)
		breaks         bool
	}{
		"nothing":        {change: func(*file) {}},
		"another number": {change: func(f *file) { message(f, "StoreRequest").Field[1].Number = proto.Int32(99) }, breaks: true},
		"another name":   {change: func(f *file) { message(f, "StoreRequest").Field[1].Name = proto.String("x") }, breaks: true},
		"another type": {change: func(f *file) {
			message(f, "StoreRequest").Field[0].Type = descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum()
		}, breaks: true},
		"a list": {change: func(f *file) {
			message(f, "StoreRequest").Field[0].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}, breaks: true},
		"a field goes":           {change: func(f *file) { m := message(f, "StoreRequest"); m.Field = m.Field[1:] }, breaks: true},
		"a field goes, reserved": {change: func(f *file) { m := message(f, "StoreRequest"); reserve(m, 1, "instance"); m.Field = m.Field[1:] }},
		"a field comes": {change: func(f *file) {
			m := message(f, "StoreRequest")
			m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{Name: proto.String("x"), Number: proto.Int32(50)})
		}},
		"a number is used again": {before: func(f *file) { reserve(message(f, "StoreRequest"), 1, "x") }, change: func(*file) {}, breaks: true},
		"a message goes": {change: func(f *file) {
			f.MessageType = slices.DeleteFunc(f.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == "StoreReport" })
		}, breaks: true},
		"a call goes":            {change: func(f *file) { s := service(f, "Hook"); s.Method = nil }, breaks: true},
		"a call streams no more": {change: func(f *file) { service(f, "Hook").Method[0].ServerStreaming = proto.Bool(false) }, breaks: true},
		"a call takes another":   {change: func(f *file) { service(f, "Hook").Method[0].InputType = proto.String(".dprun.plugin.v1.StoreRequest") }, breaks: true},
		"a service goes":         {change: func(f *file) { f.Service = nil }, breaks: true},
		"a word goes":            {change: func(f *file) { e := kinds(f); e.Value = e.Value[:3] }, breaks: true},
		"a word changes":         {change: func(f *file) { kinds(f).Value[1].Name = proto.String("FAILURE_KIND_X") }, breaks: true},
		"a word comes": {change: func(f *file) {
			e := kinds(f)
			e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String("FAILURE_KIND_X"), Number: proto.Int32(50)})
		}},
		"another package":          {change: func(f *file) { f.Package = proto.String("x") }, breaks: true},
		"what is unstable changes": {change: func(f *file) { message(f, "Facts").Field = nil; service(f, unstable).Method = nil }},
	} {
		old, new := now(), now()
		if c.before != nil {
			c.before(old)
		}
		c.change(new)
		if got := breaks(old, new); len(got) > 0 != c.breaks {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// breaks says what of old is no longer in new, or otherwise. Of what is
// unstable only that counts which stable parts use.
func breaks(old, new *descriptorpb.FileDescriptorProto) (out []string) {
	found := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if old.Package != nil && old.GetPackage() != new.GetPackage() {
		found("the package is %s", new.GetPackage())
	}
	stable := reachable(old)
	for _, s := range old.Service {
		if s.GetName() == unstable {
			continue
		}
		i := slices.IndexFunc(new.Service, func(n *descriptorpb.ServiceDescriptorProto) bool { return n.GetName() == s.GetName() })
		if i < 0 {
			found("there is no service %s", s.GetName())
			continue
		}
		for _, m := range s.Method {
			if !slices.ContainsFunc(new.Service[i].Method, func(n *descriptorpb.MethodDescriptorProto) bool { return proto.Equal(m, n) }) {
				found("%s.%s is not as it was", s.GetName(), m.GetName())
			}
		}
	}
	for _, m := range old.MessageType {
		if !stable[m.GetName()] {
			continue
		}
		i := slices.IndexFunc(new.MessageType, func(n *descriptorpb.DescriptorProto) bool { return n.GetName() == m.GetName() })
		if i < 0 {
			found("there is no message %s", m.GetName())
			continue
		}
		fieldBreaks(m, new.MessageType[i], found)
	}
	for _, e := range old.EnumType {
		if !stable[e.GetName()] {
			continue
		}
		i := slices.IndexFunc(new.EnumType, func(n *descriptorpb.EnumDescriptorProto) bool { return n.GetName() == e.GetName() })
		if i < 0 {
			found("there is no enumeration %s", e.GetName())
			continue
		}
		for _, v := range e.Value {
			if !slices.ContainsFunc(new.EnumType[i].Value, func(n *descriptorpb.EnumValueDescriptorProto) bool { return proto.Equal(v, n) }) &&
				!slices.Contains(new.EnumType[i].ReservedName, v.GetName()) {
				found("%s = %d is not as it was", v.GetName(), v.GetNumber())
			}
		}
	}
	return out
}

func fieldBreaks(old, new *descriptorpb.DescriptorProto, found func(string, ...any)) {
	reserved := func(m *descriptorpb.DescriptorProto, number int32) bool {
		return slices.ContainsFunc(m.ReservedRange, func(r *descriptorpb.DescriptorProto_ReservedRange) bool {
			return number >= r.GetStart() && number < r.GetEnd()
		})
	}
	for _, f := range old.Field {
		same := slices.ContainsFunc(new.Field, func(n *descriptorpb.FieldDescriptorProto) bool { return proto.Equal(f, n) })
		gone := reserved(new, f.GetNumber()) && slices.Contains(new.ReservedName, f.GetName())
		if !same && !gone {
			found("%s.%s = %d is not as it was, and not reserved", old.GetName(), f.GetName(), f.GetNumber())
		}
	}
	for _, f := range new.Field {
		if reserved(old, f.GetNumber()) || slices.Contains(old.ReservedName, f.GetName()) {
			found("%s.%s = %d was reserved", old.GetName(), f.GetName(), f.GetNumber())
		}
	}
}

// reachable names the messages and enumerations of the stable services, and
// the failure, which travels beside them.
func reachable(f *descriptorpb.FileDescriptorProto) map[string]bool {
	seen := map[string]bool{}
	local := func(typeName string) string { return strings.TrimPrefix(typeName, "."+f.GetPackage()+".") }
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, m := range f.MessageType {
			if m.GetName() != name {
				continue
			}
			for _, field := range m.Field {
				if field.TypeName != nil {
					visit(local(field.GetTypeName()))
				}
			}
		}
	}
	visit("Failure")
	for _, s := range f.Service {
		if s.GetName() == unstable {
			continue
		}
		for _, m := range s.Method {
			visit(local(m.GetInputType()))
			visit(local(m.GetOutputType()))
		}
	}
	return seen
}
