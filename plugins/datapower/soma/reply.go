package soma

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Namespace is the namespace of the management interface's own elements. Rows of status and configuration have none.
const Namespace = "http://www.datapower.com/schemas/management"

const (
	maxNodeDepth = 64
	// maxNodes bounds elements and attributes together, because small ones take twenty times as much memory as on
	// the wire. A store of 50,000 files has three elements and one attribute for each.
	maxNodes = 250_000
	maxTag   = 64 << 10
	maxTail  = 1 << 20 // what may follow a file
)

// Node is an element of a status, configuration or file store listing.
type Node struct {
	Name     string // without prefix
	Attrs    map[string]string
	Text     string // trimmed
	Children []*Node
}

// Child returns the first child of that name; a nil Node has none.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Value returns the text of the first child with that name, or "".
func (n *Node) Value(name string) string {
	if c := n.Child(name); c != nil {
		return c.Text
	}
	return ""
}

// On reports whether the first child with that name is "on". The device writes "on" and "off".
func (n *Node) On(name string) bool { return n.Value(name) == "on" }

// reply is the answer to one request.
type reply struct {
	op        string
	timestamp string
	results   []string
	logs      []string
	fault     string
	nodes     []*Node // children of the body
	body      string  // name of the child of the body
	file      *fileSink
	response  bool
	kept      int     // elements and attributes
	stampAt   int64   // offset of the timestamp's text in the reply
	cuts      []int64 // offsets of the beginning of the list of rows and of the end of each row
}

// time returns the device's clock from the reply; zero: not told.
func (r *reply) time() time.Time {
	t, err := time.Parse(time.RFC3339, r.timestamp)
	if err != nil {
		return time.Time{}
	}
	return t
}

// source feeds an XML decoder byte by byte, so that it never reads beyond what it has returned, and bounds its input.
type source struct {
	r     io.ByteReader
	left  int64
	last  [2]byte
	limit bool
	tag   int  // bytes of the open tag; 0: none
	quote byte // the open quote in the tag
}

var errTooManyNodes = fmt.Errorf("the reply has more than %d elements and attributes", maxNodes)

var errReplyTooLarge = errors.New("the reply is larger than allowed")

func (s *source) ReadByte() (byte, error) {
	if s.left <= 0 {
		s.limit = true
		return 0, errReplyTooLarge
	}
	c, err := s.r.ReadByte()
	if err == nil {
		s.left--
		s.last[0], s.last[1] = s.last[1], c
		err = s.bound(c)
	}
	return c, err
}

// bound counts the bytes of a tag, because the decoder holds all attributes of a tag before it returns one.
func (s *source) bound(c byte) error {
	switch {
	case s.tag == 0:
		if c == '<' {
			s.tag = 1
		}
		return nil
	case s.tag == 1 && (c == '!' || c == '?'): // no tag
		s.tag = 0
		return nil
	case s.quote != 0:
		if c == s.quote {
			s.quote = 0
		}
	case c == '"', c == '\'':
		s.quote = c
	case c == '>':
		s.tag = 0
		return nil
	}
	if s.tag++; s.tag > maxTag {
		return errTooManyNodes
	}
	return nil
}

// Read implements io.Reader; the decoder uses ReadByte.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

// readers are reused, one for each reply with a file.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// read parses a reply. Without a sink, a file in it is an error.
func (r *reply) read(body io.Reader, limit int64, file *fileSink) error {
	if file == nil {
		h := hold(body)
		defer h.release()
		return r.parse(h.reader(), limit, nil)
	}
	reader := readers.Get().(*bufio.Reader)
	reader.Reset(body)
	defer func() {
		reader.Reset(nil)
		readers.Put(reader)
	}()
	file.text = reader
	return r.parse(reader, limit, file)
}

// parse reads byte by byte; if the reply has a file, it reads nothing beyond the reply.
func (r *reply) parse(in io.ByteReader, limit int64, file *fileSink) error {
	src := &source{r: in, left: limit}
	d := xml.NewDecoder(src)
	err := r.envelope(d, src, file)
	var typed *Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	e := &Error{Op: r.op, Class: BadReply, cause: err}
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errTooManyNodes):
		e.Class, e.Text = TooLarge, err.Error()
	case src.limit:
		e.Class, e.Text = TooLarge, "the reply is larger than allowed"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"):
		e.Class, e.Text = Truncated, "the reply ended early: the connection was closed within it"
	case errors.Is(err, io.EOF):
		e.Text = "the reply is empty or not XML"
	case errors.As(err, &syntax):
		e.Text = "the reply is not XML: " + printable(syntax.Msg)
	case errors.Is(err, errNotSOAP):
		e.Text = printable(err.Error())
	default:
		e.Class, e.Text = Truncated, "the connection broke within the reply: "+printable(err.Error())
	}
	return e
}

var errNotSOAP = errors.New("the reply does not come from the management interface")

// envelope reads Envelope, Body and response. It then reads on to the end, so that the connection can be used again.
func (r *reply) envelope(d *xml.Decoder, src *source, file *fileSink) error {
	root, err := nextStart(d)
	if err != nil {
		return err
	}
	if root.Name.Local != "Envelope" {
		return fmt.Errorf("%w: it is a %q document", errNotSOAP, root.Name.Local)
	}
	err = children(d, func(e xml.StartElement) error {
		if e.Name.Local != "Body" {
			return d.Skip()
		}
		return children(d, func(e xml.StartElement) error {
			switch {
			case e.Name.Local == "Fault":
				return r.readFault(d, e)
			case e.Name.Local == "response" && e.Name.Space == Namespace:
				r.response = true
				return children(d, func(e xml.StartElement) error { return r.part(d, src, e, file) })
			}
			return d.Skip()
		})
	})
	if err != nil {
		return err
	}
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if !r.response && r.fault == "" {
		return fmt.Errorf("%w: it holds neither a response nor a fault", errNotSOAP)
	}
	return nil
}

func nextStart(d *xml.Decoder) (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if e, ok := t.(xml.StartElement); ok {
			return e, nil
		}
	}
}

// children calls f with each child of the open element. f must read the child to its end.
func children(d *xml.Decoder, f func(xml.StartElement) error) error {
	for {
		t, err := d.Token()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := f(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func (r *reply) part(d *xml.Decoder, src *source, e xml.StartElement, file *fileSink) error {
	if e.Name.Space != Namespace {
		return d.Skip()
	}
	switch e.Name.Local {
	case "timestamp":
		at := d.InputOffset()
		n, err := r.readNode(d, e, 0)
		if err == nil {
			r.timestamp, r.stampAt = n.Text, at
		}
		return err
	case "result":
		n, err := r.readNode(d, e, 0)
		if err == nil {
			r.results = append(r.results, n.Text)
			r.collectLogs(n)
		}
		return err
	case "status", "config", "filestore", "view-certificate-details", "import":
		r.body = e.Name.Local
		r.cuts = append(r.cuts, d.InputOffset())
		return children(d, func(e xml.StartElement) error {
			n, err := r.readNode(d, e, 0)
			if err == nil {
				r.nodes, r.cuts = append(r.nodes, n), append(r.cuts, d.InputOffset())
			}
			return err
		})
	case "file":
		if file == nil || r.file != nil {
			return fmt.Errorf("%w: it holds a file that was not asked for", errNotSOAP)
		}
		r.file = file
		if src.last == [2]byte{'/', '>'} {
			return d.Skip()
		}
		if err := file.take(r.op); err != nil {
			return err
		}
		src.left = maxTail
		return d.Skip()
	}
	return d.Skip()
}

func (r *reply) readNode(d *xml.Decoder, e xml.StartElement, depth int) (*Node, error) {
	if depth == maxNodeDepth {
		return nil, fmt.Errorf("%w: its elements nest deeper than %d levels", errNotSOAP, maxNodeDepth)
	}
	if r.kept += 1 + len(e.Attr); r.kept > maxNodes {
		return nil, errTooManyNodes
	}
	n := &Node{Name: e.Name.Local}
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		if n.Attrs == nil {
			n.Attrs = make(map[string]string, len(e.Attr))
		}
		n.Attrs[a.Name.Local] = a.Value
	}
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			c, err := r.readNode(d, t, depth+1)
			if err != nil {
				return nil, err
			}
			n.Children = append(n.Children, c)
		case xml.EndElement:
			n.Text = strings.TrimSpace(text.String())
			return n, nil
		}
	}
}

// collectLogs collects the texts of an error log. Some firmware prefixes its elements, other firmware does not.
func (r *reply) collectLogs(n *Node) {
	for _, c := range n.Children {
		if c.Name == "log-event" && c.Text != "" {
			r.logs = append(r.logs, c.Text)
		}
		r.collectLogs(c)
	}
}

func (r *reply) readFault(d *xml.Decoder, e xml.StartElement) error {
	n, err := r.readNode(d, e, 0)
	if err != nil {
		return err
	}
	r.fault = n.Value("faultstring")
	if r.fault == "" { // SOAP 1.2
		r.fault = n.Child("Reason").Value("Text")
	}
	r.fault = cmp.Or(r.fault, "a fault without text")
	return nil
}

const authenticationFailure = "Authentication failure"

// failure returns what the device said instead of doing what was asked; nil: it did.
func (r *reply) failure() error {
	if r.fault != "" {
		return &Error{Op: r.op, Class: Fault, Text: "the device rejected the request: " + printable(r.fault)}
	}
	for _, result := range r.results {
		switch {
		case len(r.logs) > 0:
			return &Error{Op: r.op, Class: Result, Text: "the device says: " + printable(strings.Join(r.logs, "; "))}
		case result == "OK":
		case result == authenticationFailure && r.timestamp == "":
			return &Error{Op: r.op, Class: Denied, Text: "user or password refused"}
		case result == authenticationFailure:
			return &Error{Op: r.op, Class: Refused, Text: "the operation was refused: the user may not do this, or the target does not allow it"}
		case result == "":
			return &Error{Op: r.op, Class: Result, Text: "the device reports an error without text"}
		default:
			return &Error{Op: r.op, Class: Result, Text: "the device says: " + printable(result)}
		}
	}
	return nil
}

// want checks that the reply holds what was asked for.
func (r *reply) want(body string) error {
	if r.body != body {
		return &Error{Op: r.op, Class: BadReply, Text: fmt.Sprintf("the reply holds no %s", body)}
	}
	return nil
}

// acted checks that the device confirmed an action.
func (r *reply) acted() error {
	if len(r.results) == 0 {
		return &Error{Op: r.op, Class: BadReply, Text: "the reply holds no result"}
	}
	return nil
}
