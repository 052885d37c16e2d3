package soma

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// reply is an answer: XML around, possibly, the base64 text of a payload that
// is copied straight from the spool.
type reply struct {
	status int
	phrase string
	head   string
	blob   *spool.Blob
	length int64 // of the blob's text that goes out
	patch  patch
	tail   string
	served *appliance.Served // counted once the answer went out whole
	noise  bool              // base64 text without end follows the head
	next   *reply            // to the next request of the same body
}

// endless is a file whose text does not end.
func endless(now time.Time) *reply {
	r := good(now, "")
	r.head, r.noise = envelopeHead+responseHead+timestamp(now)+"<dp:file>", true
	return r
}

// noise is base64 text without end.
type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], noiseText)
	}
	return len(p), nil
}

var noiseText = strings.Repeat("UEsDBBQAAAAIABCHY1vVtG0k", 4<<10)

// patch replaces a few bytes of the payload's text.
type patch struct {
	at   int64
	text []byte
}

func (r *reply) size() int64 {
	n := int64(len(r.head)) + r.length + int64(len(r.tail))
	if r.next != nil {
		n += r.next.size()
	}
	return n
}

// body reads the whole answer.
func (r *reply) body() io.Reader {
	if r.noise {
		return io.MultiReader(strings.NewReader(r.head), noise{})
	}
	parts := []io.Reader{strings.NewReader(r.head)}
	if r.blob != nil {
		from := int64(0)
		if n := int64(len(r.patch.text)); n > 0 && r.patch.at+n <= r.length {
			parts = append(parts, r.blob.Text(0, r.patch.at), strings.NewReader(string(r.patch.text)))
			from = r.patch.at + n
		}
		parts = append(parts, r.blob.Text(from, r.length-from))
	}
	parts = append(parts, strings.NewReader(r.tail))
	if r.next != nil {
		parts = append(parts, r.next.body())
	}
	return io.MultiReader(parts...)
}

const (
	envelopeHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>`
	envelopeTail = `</env:Body></env:Envelope>`
	responseHead = `<dp:response xmlns:dp="` + managementNS + `">`
	responseTail = `</dp:response>`
	rowNS        = ` xmlns:env="http://www.w3.org/2003/05/soap-envelope"`
)

// good is a complete answer with one child beside the time stamp.
func good(now time.Time, child string) *reply {
	return &reply{status: 200, phrase: "Good", head: envelopeHead + responseHead + timestamp(now) + child + responseTail + envelopeTail}
}

// loginRefused is the answer to wrong credentials: it has no time stamp.
func loginRefused() *reply {
	return &reply{status: 200, phrase: "Good", head: envelopeHead + responseHead + "<dp:result>Authentication failure</dp:result>" + responseTail + envelopeTail}
}

// soapFault is the answer to what is not a request.
func soapFault(text string) *reply {
	return &reply{status: 500, phrase: "Error", head: envelopeHead + "<env:Fault><faultcode>env:Client</faultcode><faultstring>" + esc(text) + "</faultstring></env:Fault>" + envelopeTail}
}

// plain is an answer that is no envelope at all.
func plain(status int, phrase, body string) *reply {
	return &reply{status: status, phrase: phrase, head: body}
}

func timestamp(now time.Time) string {
	return "<dp:timestamp>" + now.Format("2006-01-02T15:04:05Z07:00") + "</dp:timestamp>"
}

func result(text string) string { return "<dp:result>" + esc(text) + "</dp:result>" }

// errorLog is how actions fail; the firmware decides on the prefix.
func errorLog(p appliance.Profile, text string) string {
	prefix := ""
	if p.PrefixedEvents {
		prefix = "dp:"
	}
	return fmt.Sprintf(`<dp:result><error-log><%[1]slog-event level="error">%[2]s</%[1]slog-event></error-log></dp:result>`, prefix, esc(text))
}

// emptyFile is a file of no bytes, or a file that could not be built.
func emptyFile(name string) string { return "<dp:file" + nameAttr(name) + "/>" }

func nameAttr(name string) string {
	if name == "" {
		return ""
	}
	return ` name="` + esc(name) + `"`
}

// file answers with a payload. Only get-file names it.
func file(now time.Time, name string, blob *spool.Blob) *reply {
	r := good(now, emptyFile(name))
	if blob == nil || blob.Size == 0 {
		return r
	}
	r.head = envelopeHead + responseHead + timestamp(now) + "<dp:file" + nameAttr(name) + ">"
	r.blob, r.length = blob, blob.TextLen()
	r.tail = "</dp:file>" + responseTail + envelopeTail
	return r
}

// shorten takes bytes off the end of the payload, leaving good base64.
func (r *reply) shorten(bytes int64) error {
	if r.blob == nil || bytes <= 0 {
		return nil
	}
	keep := max(r.blob.Size-bytes, 0)
	whole := keep / 3 * 3
	rest := make([]byte, keep-whole)
	if _, err := r.blob.ReadAt(rest, whole); err != nil && err != io.EOF {
		return err
	}
	r.length = whole / 3 * 4
	r.tail = base64.StdEncoding.EncodeToString(rest) + r.tail
	return nil
}

// flip changes one byte of the payload.
func (r *reply) flip(at int64) error {
	if r.blob == nil {
		return nil
	}
	first := at / 3 * 3
	raw := make([]byte, min(3, r.blob.Size-first))
	if _, err := r.blob.ReadAt(raw, first); err != nil && err != io.EOF {
		return err
	}
	raw[at-first] ^= 0x55
	r.patch = patch{at: first / 3 * 4, text: []byte(base64.StdEncoding.EncodeToString(raw))}
	return nil
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// esc makes text fit for XML; apostrophes stay, as on the appliance.
func esc(s string) string { return escapes.Replace(s) }
