package archive

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	maxMarkup = 64 << 10 // longest tag
	maxDepth  = 200
	maxNames  = 64 << 10 // names of all open elements together
)

// scanner splits XML into tags and text as it arrives, without allocating. It checks that elements nest and
// close, and refuses document type declarations. Of namespaces it only removes the prefixes.
type scanner struct {
	open  func(depth int, name, attrs []byte) error
	text  func(p []byte)
	close func(depth int, name []byte) error

	rest  []byte // input that could not be used yet
	state scanState
	names []byte // names of the open elements, concatenated
	ends  []int
	root  bool // the root element has been seen
	began bool
}

type scanState int

const (
	scanText scanState = iota
	scanComment
	scanCData
	scanInstruction
)

var terminators = map[scanState][]byte{scanComment: []byte("-->"), scanCData: []byte("]]>"), scanInstruction: []byte("?>")}

// write takes the next piece of the document.
func (s *scanner) write(p []byte) error {
	buf := p
	if len(s.rest) > 0 {
		s.rest = append(s.rest, p...)
		buf = s.rest
	}
	if !s.began {
		if len(buf) < 3 {
			s.keep(buf)
			return nil
		}
		s.began = true
		buf = bytes.TrimPrefix(buf, []byte("\xef\xbb\xbf"))
	}
	for len(buf) > 0 {
		n, err := s.step(buf)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		buf = buf[n:]
	}
	s.keep(buf)
	return nil
}

func (s *scanner) keep(buf []byte) { s.rest = append(s.rest[:0], buf...) }

// step uses a part of buf and returns its length; 0: it needs more.
func (s *scanner) step(buf []byte) (int, error) {
	if s.state != scanText {
		stop := terminators[s.state]
		i := bytes.Index(buf, stop)
		n := i + len(stop)
		if i < 0 {
			i = max(0, len(buf)-len(stop)+1)
			n = i
		}
		if s.state == scanCData {
			// Text is passed on in escaped form.
			if err := s.chars(bytes.ReplaceAll(buf[:i], []byte("&"), []byte("&amp;"))); err != nil {
				return 0, err
			}
		}
		if n > i {
			s.state = scanText
		}
		return n, nil
	}
	if buf[0] != '<' {
		i := bytes.IndexByte(buf, '<')
		if i < 0 {
			i = len(buf)
		}
		return i, s.chars(buf[:i])
	}
	if len(buf) < 2 {
		return 0, nil
	}
	switch buf[1] {
	case '?':
		s.state = scanInstruction
		return 2, nil
	case '!':
		for start, state := range map[string]scanState{"<!--": scanComment, "<![CDATA[": scanCData} {
			if n := min(len(start), len(buf)); string(buf[:n]) == start[:n] {
				if n < len(start) {
					return 0, nil
				}
				s.state = state
				return n, nil
			}
		}
		return 0, errors.New("it holds a document type declaration")
	}
	end := tagEnd(buf)
	if end < 0 {
		if len(buf) > maxMarkup {
			return 0, fmt.Errorf("it holds a tag of more than %d bytes", maxMarkup)
		}
		return 0, nil
	}
	return end + 1, s.tag(buf[1:end])
}

// tagEnd returns the position of the ">" that ends a tag, outside of quotes.
func tagEnd(buf []byte) int {
	var quote byte
	for i, c := range buf {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return i
		case c == '"' || c == '\'':
			quote = c
		}
	}
	return -1
}

func (s *scanner) chars(p []byte) error {
	if len(s.ends) == 0 {
		if len(bytes.TrimSpace(p)) > 0 {
			return errors.New("there is text outside of its root element")
		}
		return nil
	}
	s.text(p)
	return nil
}

func (s *scanner) tag(tag []byte) error {
	if len(tag) > 0 && tag[0] == '/' {
		return s.pop(bytes.TrimSpace(tag[1:]))
	}
	empty := len(tag) > 0 && tag[len(tag)-1] == '/'
	if empty {
		tag = tag[:len(tag)-1]
	}
	n := bytes.IndexAny(tag, " \t\r\n")
	if n < 0 {
		n = len(tag)
	}
	name, attrs := tag[:n], tag[n:]
	if len(name) == 0 || bytes.ContainsAny(name, "<&\"'=") {
		return errors.New("it is not well-formed: a tag has no name")
	}
	if len(s.ends) == 0 {
		if s.root {
			return errors.New("it has two root elements")
		}
		s.root = true
	}
	if len(s.ends) == maxDepth || len(s.names)+len(name) > maxNames {
		return fmt.Errorf("its elements nest deeper than %d levels", maxDepth)
	}
	s.names = append(s.names, name...)
	s.ends = append(s.ends, len(s.names))
	if err := s.open(len(s.ends), localName(name), attrs); err != nil {
		return err
	}
	if empty {
		return s.pop(name)
	}
	return nil
}

func (s *scanner) pop(name []byte) error {
	depth := len(s.ends)
	if depth == 0 {
		return errors.New("it is not well-formed: an element ends that was not open")
	}
	from := 0
	if depth > 1 {
		from = s.ends[depth-2]
	}
	if !bytes.Equal(s.names[from:s.ends[depth-1]], name) {
		return fmt.Errorf("it is not well-formed: %q is closed by %q", Printable(string(s.names[from:])), Printable(string(name)))
	}
	if err := s.close(depth, localName(name)); err != nil {
		return err
	}
	s.names, s.ends = s.names[:from], s.ends[:depth-1]
	return nil
}

// finish checks that the document is complete.
func (s *scanner) finish() error {
	switch {
	case !s.root:
		return errors.New("it is empty or not XML")
	case len(s.rest) > 0 || len(s.ends) > 0 || s.state != scanText:
		return errors.New("it ends early")
	}
	return nil
}

func localName(name []byte) []byte { return name[bytes.IndexByte(name, ':')+1:] }

// attributes calls f with each attribute of a tag; the value is still escaped.
func attributes(attrs []byte, f func(name, value []byte)) error {
	for {
		attrs = bytes.TrimLeft(attrs, " \t\r\n")
		if len(attrs) == 0 {
			return nil
		}
		eq := bytes.IndexByte(attrs, '=')
		if eq < 1 {
			return errors.New("it is not well-formed: an attribute has no value")
		}
		name := bytes.TrimRight(attrs[:eq], " \t\r\n")
		attrs = bytes.TrimLeft(attrs[eq+1:], " \t\r\n")
		if len(attrs) == 0 || (attrs[0] != '"' && attrs[0] != '\'') {
			return errors.New("it is not well-formed: an attribute has no quotes")
		}
		stop := bytes.IndexByte(attrs[1:], attrs[0])
		if stop < 0 {
			return errors.New("it is not well-formed: an attribute does not end")
		}
		f(name, attrs[1:1+stop])
		attrs = attrs[stop+2:]
	}
}

// unescape replaces XML's references; unknown ones stay as they are.
func unescape(p []byte) string {
	amp := bytes.IndexByte(p, '&')
	if amp < 0 {
		return string(p)
	}
	out := make([]byte, 0, len(p))
	for {
		out = append(out, p[:amp]...)
		p = p[amp:]
		semi := bytes.IndexByte(p, ';')
		c, ok := rune(0), false
		if semi > 0 {
			c, ok = reference(string(p[1:semi]))
		}
		if ok {
			out = utf8.AppendRune(out, c)
			p = p[semi+1:]
		} else {
			out = append(out, '&')
			p = p[1:]
		}
		if amp = bytes.IndexByte(p, '&'); amp < 0 {
			return string(append(out, p...))
		}
	}
}

func reference(s string) (rune, bool) {
	switch s {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(s) < 2 || s[0] != '#' {
		return 0, false
	}
	base, digits := 10, s[1:]
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return rune(n), err == nil && n <= utf8.MaxRune
}
