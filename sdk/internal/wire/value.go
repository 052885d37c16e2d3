package wire

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Encode writes a configuration in the type that its schema implies. It refuses
// marked values: the host must take marks off deliberately before this point.
func Encode(b schema.Block, v cty.Value) ([]byte, error) {
	if v == cty.NilVal {
		v = cty.EmptyObjectVal
	}
	if v.ContainsMarked() {
		return nil, failure.New(failure.Internal, failure.Protocol, "encode a configuration: it holds marked values")
	}
	t := b.ImpliedType()
	v, err := convert.Convert(v, t)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "encode a configuration: it does not fit the plugin's schema: %w", err)
	}
	raw, err := msgpack.Marshal(v, t)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.Protocol, "encode a configuration: %w", err)
	}
	return raw, nil
}

// Decode reads what Encode wrote.
func Decode(b schema.Block, raw []byte) (cty.Value, error) {
	v, err := msgpack.Unmarshal(raw, b.ImpliedType())
	if err != nil {
		return cty.NilVal, failure.New(failure.Precondition, failure.BadConfig, "decode a configuration: it does not fit the schema: %w", err)
	}
	return v, nil
}
