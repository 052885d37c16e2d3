package soma

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"
)

// ExportRequest asks for a domain's configuration and files.
type ExportRequest struct {
	Domain    string
	Persisted bool // the saved configuration instead of the running one
	Comment   string
	MaxBytes  int64       // of the file; 0: no bound
	Progress  func(int64) // bytes written so far; called from another goroutine, never after the call has returned
}

// Export writes the export of everything in one domain to w: all objects with what they refer to, and all files.
// A reply without a file is an error of class EmptyFile.
func (c *Client) Export(ctx context.Context, r ExportRequest, w io.Writer) (*File, error) {
	op := `<dp:do-export format="ZIP" all-files="true" persisted="` + boolText(r.Persisted) + `"><dp:user-comment>` + escape(r.Comment) + `</dp:user-comment>` +
		`<dp:object class="all-classes" name="all-objects" ref-objects="true" ref-files="true" include-debug="false"/></dp:do-export>`
	return c.transfer(ctx, "do-export", r.Domain, op, newFileSink(w, r.MaxBytes, r.Progress), false)
}

// BackupRequest asks for an archive of domain exports.
type BackupRequest struct {
	Domains   []string // empty: all
	Persisted bool
	Comment   string
	MaxBytes  int64
	Progress  func(int64)
}

// Backup writes the backup of several domains to w. The device keeps a copy in export: of its default domain.
func (c *Client) Backup(ctx context.Context, r BackupRequest, w io.Writer) (*File, error) {
	domains := r.Domains
	if len(domains) == 0 {
		domains = []string{"all-domains"}
	}
	var b strings.Builder
	b.WriteString(`<dp:do-backup format="ZIP" persisted="` + boolText(r.Persisted) + `"><dp:user-comment>` + escape(r.Comment) + `</dp:user-comment>`)
	for _, d := range domains {
		b.WriteString(`<dp:domain name="` + escape(d) + `"/>`)
	}
	b.WriteString(`</dp:do-backup>`)
	return c.transfer(ctx, "do-backup", "", b.String(), newFileSink(w, r.MaxBytes, r.Progress), false)
}

// GetFile writes one file of the device to w. maxBytes bounds it; 0: no bound.
// An empty file is not an error.
func (c *Client) GetFile(ctx context.Context, domain, name string, maxBytes int64, w io.Writer) (*File, error) {
	return c.transfer(ctx, "get-file", domain, `<dp:get-file name="`+escape(name)+`"/>`, newFileSink(w, maxBytes, nil), true)
}

func (c *Client) transfer(ctx context.Context, op, domain, body string, sink *fileSink, mayBeEmpty bool) (*File, error) {
	r, err := c.call(ctx, op, domain, body, sink)
	if err != nil {
		return nil, err
	}
	if r.file == nil {
		return nil, &Error{Op: op, Class: BadReply, Text: "the reply holds no file"}
	}
	if sink.size == 0 && !mayBeEmpty {
		return nil, &Error{Op: op, Class: EmptyFile, Text: "the device returned an empty file: it could not build it, often for lack of space"}
	}
	return sink.file(r), nil
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// StoredFile is a file on the device.
type StoredFile struct {
	Path     string // with its store, as "temporary:///dir/file"
	Size     int64  // bytes
	Modified string // in the device's zone, as "2020-02-10 05:51:47"
}

// Filestore lists every file and directory of a domain's store, for example of "temporary:".
func (c *Client) Filestore(ctx context.Context, domain, store string) (files []StoredFile, directories []string, err error) {
	r, err := c.read(ctx, "get-filestore", domain, `<dp:get-filestore location="`+escape(store)+`"/>`)
	if err != nil {
		return nil, nil, err
	}
	if err := r.want("filestore"); err != nil {
		return nil, nil, err
	}
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, child := range n.Children {
			switch child.Name {
			case "directory":
				directories = append(directories, NormalizePath(child.Attrs["name"]))
				walk(child)
			case "file":
				size, err := strconv.ParseInt(child.Value("size"), 10, 64)
				if err != nil {
					size = -1
				}
				files = append(files, StoredFile{
					Path: NormalizePath(n.Attrs["name"] + "/" + child.Attrs["name"]), Size: size, Modified: child.Value("modified"),
				})
			}
		}
	}
	for _, location := range r.nodes {
		walk(location)
	}
	return files, directories, nil
}

// NormalizePath turns any form in which the device writes a path, with one, two or three slashes after the store,
// into "store:///dir/file".
func NormalizePath(p string) string {
	store, rest, ok := strings.Cut(p, ":")
	if !ok {
		return p
	}
	return store + "://" + path.Clean("/"+rest)
}
