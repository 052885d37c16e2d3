package soma

import (
	"context"
	"encoding/base64"
	"io"
	"slices"
	"strings"
)

// ImportedFile is a file of a package as the device lists it. Status is the device's own word: "missing-file" and "missing-key" mean
// that the package does not hold it; no list of the others is known.
type ImportedFile struct{ Name, Source, Status string }

// ImportedObject is an object of a package as the device lists it; of Status no word is known.
type ImportedObject struct{ Class, Name, Status string }

// ImportResults are the whole results of an import.
type ImportResults struct {
	// Domain is the one that the device says it imported into; empty: it does not say.
	Domain string
	// DetectedErrors is what the device says about errors that it found, in its own words; empty: it does not say.
	DetectedErrors string
	Files          []ImportedFile
	Objects        []ImportedObject
	// Applied counts the objects and files that the device says it has configured or copied. A dry run has none.
	Applied int
}

const opRehearseImport = "do-import (dry run)"

// RehearseImport asks a domain what an import of a package would do: a do-import with dry-run, everything in the package, over what is
// there, local addresses as they are. The package, of size bytes, is sent as it is read, once: nothing is sent again. Results that tell of no object and
// of no file are an error of class BadReply: nothing shows that the device has read the package.
func (c *Client) RehearseImport(ctx context.Context, domain string, export io.Reader, size int64) (*ImportResults, error) {
	before, after, _ := strings.Cut(envelope(domain, `<dp:do-import source-type="ZIP" dry-run="true" overwrite-files="true" overwrite-objects="true" rewrite-local-ip="false"><dp:input-file>`+
		fileHere+`</dp:input-file></dp:do-import>`), fileHere)
	text, encoded := io.Pipe()
	defer text.Close() //nolint:errcheck // it always gives nil
	go func() {
		w := base64.NewEncoder(base64.StdEncoding, encoded)
		_, err := io.Copy(w, export)
		if err == nil {
			err = w.Close()
		}
		encoded.CloseWithError(err)
	}()
	r := &reply{op: opRehearseImport}
	err := c.exchange(ctx, r.op, domain, message{io.MultiReader(strings.NewReader(before), text, strings.NewReader(after)), int64(len(before)+len(after)) + (size+2)/3*4}, func(in io.Reader) error { return c.take(in, r, nil) })
	if err == nil {
		err = r.want("import")
	}
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(r.nodes, func(n *Node) bool { return n.Name == "import-results" })
	if i < 0 {
		return nil, &Error{Op: r.op, Domain: domain, Class: BadReply, Text: "the reply holds no import results"}
	}
	out := importResults(r.nodes[i])
	if len(out.Files)+len(out.Objects) == 0 {
		return nil, &Error{Op: r.op, Domain: domain, Class: BadReply, Text: "the import results name no object and no file: nothing shows that the package was read"}
	}
	return out, nil
}

// fileHere stands for the package in a message. It cannot be part of one otherwise: a domain's name is escaped.
const fileHere = "<file/>"

func importResults(n *Node) *ImportResults {
	out := &ImportResults{Domain: n.Attrs["domain"], DetectedErrors: n.Attrs["detected-errors"]}
	for _, part := range n.Children {
		switch part.Name {
		case "detected-errors":
			out.DetectedErrors = part.Text
			if out.DetectedErrors == "" && len(part.Children) > 0 {
				out.DetectedErrors = part.Children[0].Name + " " + part.Children[0].Text
			}
		case "imported-files":
			for _, f := range part.Children {
				out.Files = append(out.Files, ImportedFile{Name: f.Attrs["name"], Source: f.Attrs["src"], Status: printable(f.Attrs["status"])})
			}
		case "imported-objects":
			for _, o := range part.Children {
				out.Objects = append(out.Objects, ImportedObject{Class: o.Attrs["class"], Name: o.Attrs["name"], Status: printable(o.Attrs["status"])})
			}
		case "exec-script-results", "file-copy-log":
			out.Applied += len(part.Children)
		}
	}
	return out
}
