package inventory

import (
	"path"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
)

// Find returns the place of one value in a file that [Read] accepts: the value
// of an attribute in the record with a key. In CSV the place is the cell, in
// other formats the beginning of the line.
func Find(name string, src []byte, key, value, attribute string) (at diag.Range, ok bool) {
	r := newReader(name, src, key, Type{Type: cty.EmptyObject})
	r.visit = func(rec record) {
		c, there := rec.cell(key)
		if ok || !there {
			return
		}
		k, err := convert.Convert(c.value, cty.String)
		if err != nil || k.IsNull() || !k.IsKnown() || k.AsString() != value {
			return
		}
		line := rec.line
		if c, ok = rec.cell(attribute); ok {
			line = c.line
			if cell := r.cellRange(c); cell != nil {
				at = *cell
				return
			}
		}
		ok = true
		at = diag.Range{Filename: name, Start: diag.Pos{Line: max(1, line), Column: 1, Byte: -1}, End: diag.Pos{Line: max(1, line), Column: 2, Byte: -1}}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		r.readCSV()
	case ".json":
		r.readJSON()
	case ".yaml", ".yml":
		r.readYAML()
	}
	return at, ok
}
