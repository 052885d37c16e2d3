package wire

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Word returns an enumerated value as the SDK writes it; empty: this side does
// not know it.
func Word[W ~string](e protoreflect.Enum) W {
	values := e.Descriptor().Values()
	v := values.ByNumber(e.Number())
	if v == nil || v.Number() == 0 {
		return ""
	}
	return W(strings.ToLower(strings.TrimPrefix(string(v.Name()), prefix(values))))
}

// Enum returns a word as a value of the protocol; 0: there is no such word.
func Enum[E interface {
	~int32
	protoreflect.Enum
}, W ~string](w W) E {
	var none E
	values := none.Descriptor().Values()
	v := values.ByName(protoreflect.Name(prefix(values) + strings.ToUpper(string(w))))
	if v == nil {
		return none
	}
	return E(v.Number())
}

func prefix(values protoreflect.EnumValueDescriptors) string {
	return strings.TrimSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
}
