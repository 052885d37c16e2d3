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

// ImportedFile is a file of a package as the device lists it. Status is a word of the device: "missing-file" and
// "missing-key" mean that the package does not hold the file; the other words are not documented.
type ImportedFile struct{ Name, Source, Status string }

// ImportedObject is an object of a package. In the device's list of the package its Status has no known words. In
// the list of what was configured, Status is "SUCCESS", or the object has failed.
type ImportedObject struct{ Class, Name, Status string }

// CopiedFile is a file that the device has copied. Status is "OK" if it was copied and "ignored" if the existing
// file was left in place. Otherwise copying failed; the device may give a Reason.
type CopiedFile struct{ Name, Status, Reason string }

// ImportResults are the complete results of an import.
type ImportResults struct {
	// Domain is the domain that the device names; empty: it names none.
	Domain string
	// DetectedErrors says, in the device's own words, whether it found errors; empty: not told.
	DetectedErrors string
	Files          []ImportedFile
	Objects        []ImportedObject
	// Configured and Copied list what the device has done. Logged says whether the device reports it at all.
	// After a dry run all of them are empty.
	Configured []ImportedObject
	Copied     []CopiedFile
	Logged     bool
}

// ImportRequest asks a domain to import a whole package over its present content.
type ImportRequest struct {
	Domain         string
	Export         io.Reader // the package
	Size           int64     // its size in bytes
	DryRun         bool      // only report what an import would do
	RewriteLocalIP bool
	// Policy is the content of a deployment policy, as XML; empty: none. Variables are the policy's.
	Policy    string
	Variables map[string]string
}

const opImport = "do-import"

// Import sends a package once, as it is read, with every switch. sent reports whether any part of it may have
// reached the device; after an error it is then unknown what the device did. Import may take as long as the
// device takes, unless the caller sets a limit. If the results of a dry run name no object and no file, the error
// is of class BadReply: nothing shows that the device has read the package.
func (c *Client) Import(ctx context.Context, q ImportRequest) (out *ImportResults, sent bool, err error) {
	op := opImport
	if q.DryRun {
		op += " (dry run)"
	}
	before, after, _ := strings.Cut(envelope(q.Domain, `<dp:do-import source-type="ZIP" dry-run="`+boolText(q.DryRun)+`" overwrite-files="true" overwrite-objects="true" rewrite-local-ip="`+boolText(q.RewriteLocalIP)+`"><dp:input-file>`+
		fileHere+`</dp:input-file>`+q.policy()+`</dp:do-import>`), fileHere)
	text, encoded := io.Pipe()
	defer text.Close() //nolint:errcheck // always returns nil
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

// policy returns the inline policy of a request, with its variables.
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

// begun records whether anybody has begun to read.
type begun struct {
	io.Reader
	read atomic.Bool
}

func (b *begun) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.Reader.Read(p)
}

// fileHere stands for the package in a message. It cannot occur in a message otherwise, because a domain's name is escaped.
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
