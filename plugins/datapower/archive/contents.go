package archive

import (
	"context"
	"io"
	"strings"
	"sync"
)

// Contents is what an import of an export is about.
type Contents struct {
	Objects []Object
	Files   []string          // that the archive holds, without those of the export itself, as "local/a.txt"
	Absent  map[string]string // that it lists and does not hold, with why: [Withheld] or [Missing]
}

// Object is an object of an export, by what decides whether it works.
type Object struct {
	Class, Name string
	AdminState  string // "enabled" or "disabled"; empty: the export does not say
	File        string // that it needs, as "cert/a.pem"; empty: none
}

// Contents verifies the export of a domain and lists what is in it.
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

// FileName brings a name such as cert:///a.pem into the form of entry names.
func FileName(uri string) string {
	store, path, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	return sourceName(store + "/" + path)
}
