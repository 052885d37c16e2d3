package plan

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/sdk/schema"
)

// hideKeys keeps a secret key that was pasted into an encryption block by mistake
// out of all diagnostics about the file, wherever in the block it is. It must run
// first, because diagnostics about an argument quote it.
func (s *sink) hideKeys(b *hclsyntax.Block) (found bool) {
	if b.Type != "encryption" {
		return false
	}
	for _, attr := range b.Body.Attributes {
		r := attr.Expr.Range()
		text := s.env.text(r.Filename)
		if r.End.Byte > len(text) {
			continue
		}
		if recipient.Secret(string(text[r.Start.Byte:r.End.Byte])) {
			s.env.hide(r)
			s.secretKey(r)
			found = true
		}
	}
	return found
}

func (s *sink) secretKey(r hcl.Range) {
	s.add(diag.SecretLiteral, r, "This is a secret key, but a plan may hold only public keys: everything in a plan is shown, stored and copied. Write the public key, which `age-keygen -y FILE` prints. "+
		"Everybody who could read this file may have read the secret key. Make a new key, and encrypt for that one.")
}

// recipients returns the public keys for which a destination's files are encrypted; nil:
// none.
func (c *compiler) recipients(b *hclsyntax.Body, ctx *hcl.EvalContext) []string {
	block := nested(b, "encryption")
	if block == nil {
		return nil
	}
	attr := block.Body.Attributes["recipients"]
	if attr == nil || c.hideKeys(block) {
		return nil
	}
	r := attr.Expr.Range()
	v, ok := c.eval(attr.Expr, ctx)
	if !ok {
		return nil
	}
	if !containsMarked(v) && holdsKey(v) { // before its type is checked, because that diagnostic quotes it
		c.env.hide(r)
		c.secretKey(r)
		return nil
	}
	if v, ok = c.shownValue(v, r, "recipients", cty.List(cty.String)); !ok {
		return nil
	}
	var out []string
	var set recipient.Set
	for i, text := range c.stringsOf(v, r, "recipients") {
		at := r
		if tuple, is := attr.Expr.(*hclsyntax.TupleConsExpr); is && i < len(tuple.Exprs) {
			at = tuple.Exprs[i].Range()
		}
		key, err := recipient.Parse(text)
		switch {
		case err != nil:
			c.add(diag.InvalidValue, at, "Recipient %d of \"recipients\": %s.", i+1, err)
			continue
		case slices.Contains(out, key.Text):
			c.add(diag.InvalidValue, at, "Recipient %d of \"recipients\" is named twice. Remove one of them.", i+1)
			continue
		case len(set) > 0 && set[0].PostQuantum != key.PostQuantum:
			c.add(diag.InvalidValue, at, "Post-quantum recipients (age1pq1…) must not be mixed with others: somebody who can break a key of another kind could read everything. Give recipients of one kind only.")
			continue
		}
		set, out = append(set, key), append(out, key.Text)
	}
	if v.LengthInt() == 0 {
		c.add(diag.InvalidValue, r, "\"recipients\" is empty, so nobody could decrypt the files. Name at least one public key, or remove the encryption block.")
	}
	return out
}

// holdsKey reports whether a text within a value contains a secret key.
func holdsKey(v cty.Value) (found bool) {
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		if e.IsKnown() && !e.IsNull() && e.Type() == cty.String {
			found = found || recipient.Secret(e.AsString())
		}
		return true, nil
	})
	return found
}

// signingDecoder describes the arguments of a signing block.
var signingDecoder = newDecoder(schema.Block{Attributes: []schema.Attribute{
	{Name: "key", Type: schema.Type{Type: cty.String}, Sensitive: true},
	{Name: "passphrase", Type: schema.Type{Type: cty.String}, Sensitive: true},
	{Name: "allowed_signers", Type: schema.Type{Type: cty.String}},
}})

// signing reads the signing block: an object of the private key, its passphrase,
// and the text of an allowed_signers file, each null if it is not set. Without a
// block it returns null.
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
