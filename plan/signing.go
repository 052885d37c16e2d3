package plan

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
)

// signingDecoder describes the arguments of a signing block.
var signingDecoder = newDecoder(schema.Block{Attributes: []schema.Attribute{
	{Name: "key", Type: schema.Type{Type: cty.String}, Sensitive: true},
	{Name: "passphrase", Type: schema.Type{Type: cty.String}, Sensitive: true},
	{Name: "allowed_signers", Type: schema.Type{Type: cty.String}},
}})

// signing reads the block of that name: an object of the private key, its
// passphrase, and the text of an allowed_signers file, each null where it is not
// set. Null: there is no block.
func (c *compiler) signing(b *hclsyntax.Body, ctx *hcl.EvalContext) cty.Value {
	n := nested(b, "signing")
	if n == nil {
		return cty.NullVal(signingDecoder.ty)
	}
	values := map[string]cty.Value{}
	for name, v := range signingDecoder.absent {
		if attr := n.Body.Attributes[name]; attr != nil {
			v = c.decodeAttribute(signingDecoder, signingDecoder.attrs[name], attr, ctx)
		}
		values[name] = v
	}
	if n.Body.Attributes["key"] == nil && n.Body.Attributes["allowed_signers"] == nil {
		c.add(diag.MissingArgument, n.DefRange(), "A signing block needs \"key\", to sign, or \"allowed_signers\", to know whose signatures count; or both.")
	}
	return cty.ObjectVal(values)
}
