package soma

import (
	"context"
	"io"
	"strings"
)

// ExportRequest asks for a domain's configuration and files.
type ExportRequest struct {
	Domain    string
	Persisted bool // what is saved, instead of what runs
	Comment   string
	MaxBytes  int64       // bound of the file; 0: none
	Progress  func(int64) // bytes written so far; called from another goroutine, never after the call returned
}

// Export writes the export of everything in one domain to w: all objects with what they refer to, and all files. No file at all is
// an error, of class EmptyFile.
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

// GetFile writes one file of the device to w; maxBytes bounds it, 0: no bound. An empty file is no error.
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
