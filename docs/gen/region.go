package main

import (
	"bytes"
	"fmt"
)

// A page may be written by hand except for regions between two comments, such
// as
//
//	<!-- generated: exit-codes -->
//	<!-- end generated -->
const endRegion = "<!-- end generated -->"

func beginRegion(name string) string { return "<!-- generated: " + name + " -->" }

// fill replaces the content of a region of a page.
func fill(page []byte, name string, render func(*bytes.Buffer)) ([]byte, error) {
	head, rest, begun := bytes.Cut(page, []byte(beginRegion(name)+"\n"))
	_, tail, ended := bytes.Cut(rest, []byte(endRegion+"\n"))
	if !begun || !ended {
		return nil, fmt.Errorf("the page has no region %q: it needs the lines %q and %q", name, beginRegion(name), endRegion)
	}
	var b bytes.Buffer
	b.Write(head)
	fmt.Fprintf(&b, "%s\n\n", beginRegion(name))
	render(&b)
	fmt.Fprintf(&b, "\n%s\n", endRegion)
	b.Write(tail)
	return b.Bytes(), nil
}
