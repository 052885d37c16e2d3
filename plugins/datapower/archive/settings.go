package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Setting is an object of an export, as text to read.
type Setting struct {
	Class, Name string
	Lines       []string // its properties, by name; what may be a secret is not shown
}

// Settings verifies an archive and gives the objects of some classes that a domain has in it, by class and name.
func (v Verifier) Settings(ctx context.Context, file, domain string, classes []string) ([]Setting, *Report, error) {
	var out []Setting
	var mu sync.Mutex
	v.collect = &collector{
		part: func(label string) bool { return label == "" || label == domain+".zip/" },
		object: func(_ string, n *node) error {
			if !slices.Contains(classes, n.class) {
				return nil
			}
			s := Setting{Class: n.class, Name: Printable(n.name)}
			for _, k := range n.kids {
				text, masked := k.summary(closed[n.class])
				if masked {
					text = "(not shown)"
				}
				if text != "" {
					s.Lines = append(s.Lines, fmt.Sprintf("%s: %s", k.class, Printable(text)))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, s)
			return nil
		},
		file:   func(string, *entry) (func([]byte) error, func()) { return nil, nil },
		absent: func(string, string, string) {},
	}
	report, err := v.VerifyFile(ctx, file)
	slices.SortStableFunc(out, func(a, b Setting) int { return strings.Compare(a.Class+" "+a.Name, b.Class+" "+b.Name) })
	return out, report, err
}
