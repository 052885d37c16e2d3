package soma

import (
	"context"
	"encoding/base64"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// ImportedFile is a file of a package as the device lists it. Status is the device's own word: "missing-file" and "missing-key" mean
// that the package does not hold it; no list of the others is known.
type ImportedFile struct{ Name, Source, Status string }

// ImportedObject is an object of a package as the device lists it; of Status no word is known. As the device has configured it, Status is
// "SUCCESS", or the object has failed.
type ImportedObject struct{ Class, Name, Status string }

// CopiedFile is a file that the device has copied. Status is "OK", or "ignored" where it left what was there, or the file has failed, for
// the reason that the device may tell.
type CopiedFile struct{ Name, Status, Reason string }

// ImportResults are the whole results of an import.
type ImportResults struct {
	// Domain is the one that the device says it imported into; empty: it does not say.
	Domain string
	// DetectedErrors is what the device says about errors that it found, in its own words; empty: it does not say.
	DetectedErrors string
	Files          []ImportedFile
	Objects        []ImportedObject
	// Configured and Copied are what the device has done; Logged says that it tells so at all. A dry run has none of it.
	Configured []ImportedObject
	Copied     []CopiedFile
	Logged     bool
}

// ImportRequest asks a domain to import a package: everything in it, over what is there.
type ImportRequest struct {
	Domain         string
	Export         io.Reader // the package
	Size           int64     // its size in bytes
	DryRun         bool      // only say what an import would do
	RewriteLocalIP bool
	// Policy is what a deployment policy holds, as XML; empty: none. Variables are for it.
	Policy    string
	Variables map[string]string
}

const opImport = "do-import"

// Import sends a package as it is read, once, with every switch. sent reports whether anything of it may have reached the device: what an
// error then means for the domain is not known. Without a time limit of the caller's it may take as long as the device takes. Of a dry run
// results that tell of no object and of no file are an error of class BadReply: nothing shows that the device has read the package.
func (c *Client) Import(ctx context.Context, q ImportRequest) (out *ImportResults, sent bool, err error) {
	op := opImport
	if q.DryRun {
		op += " (dry run)"
	}
	before, after, _ := strings.Cut(envelope(q.Domain, `<dp:do-import source-type="ZIP" dry-run="`+boolText(q.DryRun)+`" overwrite-files="true" overwrite-objects="true" rewrite-local-ip="`+boolText(q.RewriteLocalIP)+`"><dp:input-file>`+
		fileHere+`</dp:input-file>`+q.policy()+`</dp:do-import>`), fileHere)
	text, encoded := io.Pipe()
	defer text.Close() //nolint:errcheck // it always gives nil
	go func() {
		w := base64.NewEncoder(base64.StdEncoding, encoded)
		_, err := io.Copy(w, q.Export)
		if err == nil {
			err = w.Close()
		}
		encoded.CloseWithError(err)
	}()
	r := &reply{op: op}
	body := &begun{Reader: io.MultiReader(strings.NewReader(before), text, strings.NewReader(after))}
	err = c.exchange(ctx, r.op, q.Domain, message{body, int64(len(before)+len(after)) + (q.Size+2)/3*4}, func(in io.Reader) error { return c.take(in, r, nil) })
	sent = body.read.Load()
	if err == nil {
		err = r.want("import")
	}
	if err != nil {
		return nil, sent, err
	}
	i := slices.IndexFunc(r.nodes, func(n *Node) bool { return n.Name == "import-results" })
	if i < 0 {
		return nil, sent, &Error{Op: r.op, Domain: q.Domain, Class: BadReply, Text: "the reply holds no import results"}
	}
	out = importResults(r.nodes[i])
	if q.DryRun && len(out.Files)+len(out.Objects) == 0 {
		return nil, sent, &Error{Op: r.op, Domain: q.Domain, Class: BadReply, Text: "the import results name no object and no file: nothing shows that the package was read"}
	}
	return out, sent, nil
}

// policy is the inline policy of a request, with its variables.
func (q *ImportRequest) policy() string {
	if q.Policy == "" {
		return ""
	}
	text := "<dp:deployment-policy>" + q.Policy + "</dp:deployment-policy>"
	if len(q.Variables) == 0 {
		return text
	}
	text += "<dp:deployment-policy-variables>"
	for _, name := range slices.Sorted(maps.Keys(q.Variables)) {
		text += "<DeploymentPolicyParameter>" + parameter("ParameterName", name) + parameter("ParameterValue", q.Variables[name]) + "</DeploymentPolicyParameter>"
	}
	return text + "</dp:deployment-policy-variables>"
}

// begun knows whether anybody has begun to read.
type begun struct {
	io.Reader
	read atomic.Bool
}

func (b *begun) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.Reader.Read(p)
}

// fileHere stands for the package in a message. It cannot be part of one otherwise: a domain's name is escaped.
const fileHere = "<file/>"

func importResults(n *Node) *ImportResults {
	out := &ImportResults{Domain: n.Attrs["domain"], DetectedErrors: n.Attrs["detected-errors"]}
	logs := map[string]bool{}
	object := func(n *Node) ImportedObject {
		return ImportedObject{Class: n.Attrs["class"], Name: n.Attrs["name"], Status: printable(n.Attrs["status"])}
	}
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
				out.Objects = append(out.Objects, object(o))
			}
		case "exec-script-results":
			logs[part.Name] = true
			for _, o := range part.Children {
				out.Configured = append(out.Configured, object(o))
			}
		case "file-copy-log":
			logs[part.Name] = true
			for _, f := range part.Children {
				out.Copied = append(out.Copied, CopiedFile{Name: f.Attrs["name"], Status: printable(f.Attrs["result"]), Reason: printable(f.Value("reason"))})
			}
		}
	}
	out.Logged = len(logs) == 2
	return out
}
