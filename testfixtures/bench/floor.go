package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// floorCommand makes this program the peer of part f: `bench hcl-floor FORM PLAN`.
const floorCommand = "hcl-floor"

// deviceSpec is what a device block may hold, for hcldec; it is never changed.
var deviceSpec = hcldec.ObjectSpec{
	"labels": &hcldec.AttrSpec{Name: "labels", Type: cty.Map(cty.String)},
	"group":  &hcldec.AttrSpec{Name: "group", Type: cty.String},
	"vars":   &hcldec.AttrSpec{Name: "vars", Type: cty.DynamicPseudoType},
	"name":   &hcldec.AttrSpec{Name: "name", Type: cty.String},
	"config": &hcldec.BlockSpec{TypeName: "config", Required: true, Nested: hcldec.ObjectSpec{
		"host":     &hcldec.AttrSpec{Name: "host", Type: cty.String, Required: true},
		"port":     &hcldec.AttrSpec{Name: "port", Type: cty.Number},
		"username": &hcldec.AttrSpec{Name: "username", Type: cty.String, Required: true},
		"password": &hcldec.AttrSpec{Name: "password", Type: cty.String, Required: true},
		"tls": &hcldec.BlockSpec{TypeName: "tls", Nested: hcldec.ObjectSpec{
			"ca_file": &hcldec.AttrSpec{Name: "ca_file", Type: cty.String},
		}},
	}},
}

// floor does what no implementation on this library can go below: it parses
// the text and decodes every device.
func floor(form, plan string) error {
	file, ds := hclparse.NewParser().ParseHCLFile(plan)
	if ds.HasErrors() {
		return ds
	}
	ctx := &hcl.EvalContext{Functions: map[string]function.Function{
		"upper": stdlib.UpperFunc,
		"secret_env": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "name", Type: cty.String}},
			Type:   function.StaticReturnType(cty.String),
			Impl:   func([]cty.Value, cty.Type) (cty.Value, error) { return cty.UnknownVal(cty.String), nil },
		}),
	}}
	devices, err := 0, error(nil)
	if form == "literal" {
		devices, err = decodeBlocks(file.Body, ctx)
	} else {
		devices, err = decodeRows(file.Body, ctx, filepath.Dir(plan))
	}
	if err != nil {
		return err
	}
	fmt.Println(devices)
	return nil
}

// decodeBlocks decodes every device block by one specification.
func decodeBlocks(body hcl.Body, ctx *hcl.EvalContext) (int, error) {
	spec := &hcldec.BlockTupleSpec{TypeName: "device", Nested: &hcldec.TupleSpec{
		&hcldec.BlockLabelSpec{Index: 0, Name: "type"}, &hcldec.BlockLabelSpec{Index: 1, Name: "label"}, deviceSpec,
	}}
	v, _, ds := hcldec.PartialDecode(body, spec, ctx)
	if ds.HasErrors() {
		return 0, ds
	}
	return v.LengthInt(), nil
}

// decodeRows decodes the one device block once for each row of the inventory,
// which it reads in place of for_each.
func decodeRows(body hcl.Body, ctx *hcl.EvalContext, dir string) (int, error) {
	content, _, ds := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "device", LabelNames: []string{"type", "label"}}}})
	if ds.HasErrors() {
		return 0, ds
	}
	if len(content.Blocks) != 1 {
		return 0, errors.New("the plan has not one device block")
	}
	f, err := os.Open(filepath.Join(dir, "gateways.csv"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return 0, err
	}
	devices := make([]cty.Value, 0, len(rows))
	for _, row := range rows[1:] {
		pair, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			return 0, err
		}
		port, err := strconv.ParseInt(row[3], 10, 64)
		if err != nil {
			return 0, err
		}
		each := ctx.NewChild()
		each.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{
			"key": cty.StringVal(row[0]),
			"value": cty.ObjectVal(map[string]cty.Value{
				"site": cty.StringVal(row[1]), "pair": cty.NumberIntVal(pair), "port": cty.NumberIntVal(port),
			}),
		})}
		v, _, ds := hcldec.PartialDecode(content.Blocks[0].Body, deviceSpec, each)
		if ds.HasErrors() {
			return 0, ds
		}
		devices = append(devices, v)
	}
	return len(devices), nil
}
