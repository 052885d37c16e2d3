package archive

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// Contents is what an import of an export would bring.
type Contents struct {
	Objects []Object
	Files   []string          // in the archive, without those of the export itself, as "local/a.txt"
	Absent  map[string]string // listed but not in the archive, with the reason: [Withheld] or [Missing]
}

// Object is an object of an export, with what decides whether it works.
type Object struct {
	Class, Name string
	AdminState  string // "enabled" or "disabled"; empty: not told
	File        string // the file that it needs, as "cert/a.pem"; empty: none
}

// Contents verifies the export of a domain and lists its content.
func (v Verifier) Contents(ctx context.Context, r io.ReaderAt, size int64) (*Contents, *Report, error) {
	out := &Contents{Absent: map[string]string{}}
	var mu sync.Mutex
	v.collect = &collector{
		part: func(string) bool { return false },
		object: func(_ string, n *node) error {
			mu.Lock()
			defer mu.Unlock()
			o := Object{Class: n.class, Name: n.name}
			for _, k := range n.kids {
				switch k.class {
				case "mAdminState":
					o.AdminState = k.text
				case "Filename":
					o.File = FileName(k.text)
				}
			}
			out.Objects = append(out.Objects, o)
			return nil
		},
		file: func(_ string, e *entry) (func([]byte) error, func()) {
			mu.Lock()
			defer mu.Unlock()
			if e.name != exportXML && !strings.HasPrefix(e.name, "dp-aux/") {
				out.Files = append(out.Files, e.name)
			}
			return func([]byte) error { return nil }, func() {}
		},
		absent: func(_, name, why string) {
			mu.Lock()
			defer mu.Unlock()
			out.Absent[sourceName(name)] = why
		},
	}
	report, err := v.Verify(ctx, r, size)
	return out, report, err
}

// FileName turns a name such as cert:///a.pem into the form of entry names.
func FileName(uri string) string {
	store, path, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	return sourceName(store + "/" + path)
}

// Setting is an object of an export, as text for a reader.
type Setting struct {
	Class, Name string
	Lines       []string // its properties, by name; possible secrets are left out
}

// Settings verifies an archive. It returns a domain's objects of some classes, by class and name.
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
