package inventory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
)

// readCSV reads CSV as RFC 4180 describes it: commas, double quotes, a header
// line. Spaces around a cell do not count; an empty cell is null.
func (r *reader) readCSV() {
	c := csv.NewReader(bytes.NewReader(r.src))
	c.ReuseRecord = true
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = true
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		r.wrong(1, "", nil, "The file is empty; its first line names the columns.")
		return
	}
	if err != nil {
		r.csvError(err)
		return
	}
	heads := make([]*diag.Range, len(head))
	for i, name := range head {
		line, column := c.FieldPos(i)
		heads[i] = r.cellRange(cell{line: line, column: column, length: len(strings.TrimSpace(name))})
	}
	columns := make([]string, len(head))
	seen := map[string]bool{}
	for i, name := range head {
		columns[i] = strings.TrimSpace(name)
		if columns[i] == "" || seen[columns[i]] {
			r.wrong(1, columns[i], heads[i], "Column %d has no name, or the name of another one.", i+1)
		}
		seen[columns[i]] = true
	}
	if !seen[r.key] {
		whole := *heads[0]
		whole.End = heads[len(heads)-1].End
		if mark := separator(columns); mark != "" {
			r.wrong(1, "", &whole, "The columns are separated by %s, but CSV needs commas. Save the file with commas.", mark)
			return
		}
		r.wrong(1, r.key, &whole, "There is no column %q, which is the inventory's key; there are %s.", r.key, strings.Join(columns, ", "))
	}
	for i, name := range columns {
		if near := misspelt(r, name, seen); near != "" {
			r.wrong(1, name, heads[i], "The inventory's type has no attribute %q. Did you mean %q?", name, near)
		}
	}
	if len(r.errs) > 0 {
		return
	}
	cells, used := make([]cell, len(columns)), make([]bool, len(columns))
	for i, name := range columns {
		used[i] = name == r.key || r.ty.Type.HasAttribute(name)
	}
	for {
		fields, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.csvError(err)
			return
		}
		line, _ := c.FieldPos(0)
		if len(fields) != len(columns) {
			r.wrong(line, "", nil, "The line has %d cells and the header has %d.", len(fields), len(columns))
			continue
		}
		rec := record{line: line, cells: cells}
		for i, text := range fields {
			text = strings.TrimSpace(text)
			l, column := c.FieldPos(i)
			v := cty.NullVal(cty.String)
			if text != "" && used[i] {
				v = cty.StringVal(text)
			}
			cells[i] = cell{name: columns[i], value: v, line: l, column: column, length: len(text)}
		}
		r.add(rec)
	}
}

// separator guesses the character that separates the columns of a header that
// seems to have only one.
func separator(columns []string) string {
	if len(columns) != 1 {
		return ""
	}
	switch {
	case strings.Contains(columns[0], ";"):
		return "semicolons"
	case strings.Contains(columns[0], "\t"):
		return "tabs"
	case strings.Contains(columns[0], "|"):
		return "bars"
	}
	return ""
}

func (r *reader) csvError(err error) {
	var p *csv.ParseError
	if errors.As(err, &p) {
		r.wrong(p.Line, "", nil, "This is not CSV: %v.", p.Err)
		return
	}
	r.wrong(0, "", nil, "This is not CSV: %v.", err)
}

// cellRange returns the place of a cell; nil: it is not known. Its byte offset
// is computed from line and column when the diagnostic is shown.
func (r *reader) cellRange(c cell) *diag.Range {
	if c.column == 0 {
		return nil
	}
	return &diag.Range{
		Filename: r.file,
		Start:    diag.Pos{Line: c.line, Column: c.column, Byte: -1},
		End:      diag.Pos{Line: c.line, Column: c.column + max(1, c.length), Byte: -1},
	}
}
