package view

import "strings"

// cell is one field of a table.
type cell struct {
	text  string
	tone  tone
	right bool // flush right
}

func text(s string) cell          { return cell{text: Clean(s)} }
func toned(s string, t tone) cell { return cell{text: Clean(s), tone: t} }
func number(s string) cell        { return cell{text: s, right: true} }

// table lines its columns up.
type table struct {
	head []string
	rows [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// write draws the table. Columns in which every row is empty are left out.
func (t *table) write(b *strings.Builder, p painter, indent string) {
	widths := make([]int, len(t.head))
	used := make([]bool, len(t.head))
	right := make([]bool, len(t.head))
	for i, h := range t.head {
		widths[i] = width(h)
	}
	last := 0
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], width(c.text))
			if c.text != "" {
				used[i] = true
				last = max(last, i)
			}
			right[i] = right[i] || c.right
		}
	}
	row := func(cells []cell) {
		var line strings.Builder
		for i, c := range cells {
			if !used[i] {
				continue
			}
			blank := strings.Repeat(" ", widths[i]-width(c.text))
			painted := p.paint(c.tone, c.text)
			switch {
			case right[i]:
				line.WriteString(blank + painted)
			case i == last:
				line.WriteString(painted)
			default:
				line.WriteString(painted + blank)
			}
			if i != last {
				line.WriteString("  ")
			}
		}
		b.WriteString(indent + strings.TrimRight(line.String(), " ") + "\n")
	}
	head := make([]cell, len(t.head))
	for i, h := range t.head {
		head[i] = cell{text: h, tone: bold}
	}
	row(head)
	for _, r := range t.rows {
		row(r)
	}
}
