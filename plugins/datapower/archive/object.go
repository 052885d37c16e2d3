package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strings"
)

const (
	// maxObject bounds the memory of one object, in bytes. The largest real ones are far below 1 MiB.
	maxObject = 16 << 20
	nodeCost  = 160 // of an element without its content
)

// node is an element of an object: the object itself, a property, or a part of a
// property.
type node struct {
	class  string // the element's name
	name   string // of an object
	attrs  []attribute
	text   string
	kids   []*node
	sum    [sha256.Size]byte // of everything that counts: see [node.seal]
	size   int               // of an object, in memory
	staged []byte            // text, until the element ends
}

type attribute struct{ name, value string }

// tree builds one object after the other from what a scanner finds.
type tree struct {
	stack []*node
	size  int // of the object
}

func (t *tree) open(name, attrs []byte) error {
	if len(t.stack) == 0 {
		t.size = 0
	}
	n := &node{class: string(name)}
	if err := attributes(attrs, func(k, v []byte) {
		switch key := string(k); {
		case key == "xmlns" || strings.HasPrefix(key, "xmlns:"):
		case key == "name" && len(t.stack) == 0:
			n.name = unescape(v)
		default:
			n.attrs = append(n.attrs, attribute{key, unescape(v)})
		}
	}); err != nil {
		return err
	}
	t.stack = append(t.stack, n)
	t.size += nodeCost + len(name) + len(attrs)
	return t.fits()
}

func (t *tree) fits() error {
	if t.size > maxObject {
		return fmt.Errorf("an object of class %s has more than %d MiB", Printable(t.stack[0].class), maxObject>>20)
	}
	return nil
}

func (t *tree) add(p []byte) {
	if len(t.stack) == 0 {
		return // between objects
	}
	if t.size += len(p); t.size > maxObject {
		return // reported at the next tag
	}
	n := t.stack[len(t.stack)-1]
	n.staged = append(n.staged, p...)
}

// close ends the innermost element. If that ends an object it returns the object,
// otherwise nil.
func (t *tree) close() (*node, error) {
	if err := t.fits(); err != nil {
		return nil, err
	}
	n := t.stack[len(t.stack)-1]
	t.stack = t.stack[:len(t.stack)-1]
	// The layout of an export does not count, and white space is not a value.
	if trimmed := bytes.TrimSpace(n.staged); len(n.kids) > 0 || len(trimmed) == 0 {
		n.staged = trimmed
	}
	n.text, n.staged = unescape(n.staged), nil
	n.seal()
	if len(t.stack) == 0 {
		n.size = t.size
		return n, nil
	}
	above := t.stack[len(t.stack)-1]
	above.kids = append(above.kids, n)
	return nil, nil
}

// seal puts a node into canonical form and hashes it: attributes sorted, and properties sorted by name.
// Properties of the same name keep their order, because the gateway depends on it.
func (n *node) seal() {
	slices.SortFunc(n.attrs, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	slices.SortStableFunc(n.kids, func(a, b *node) int { return strings.Compare(a.class, b.class) })
	h := sha256.New()
	write(h, n.class, n.name, n.text)
	for _, a := range n.attrs {
		write(h, a.name, a.value)
	}
	for _, k := range n.kids {
		h.Write([]byte{0xff, 0xff, 0xff, 0xff}) // not a length: ends the attributes
		h.Write(k.sum[:])
	}
	h.Sum(n.sum[:0])
}

// write hashes texts so that different lists of texts give different hashes.
func write(h hash.Hash, texts ...string) {
	var length [4]byte
	for _, t := range texts {
		binary.LittleEndian.PutUint32(length[:], uint32(len(t)))
		h.Write(length[:])
		h.Write([]byte(t))
	}
}

func (n *node) attr(name string) (string, bool) {
	for _, a := range n.attrs {
		if a.name == name {
			return a.value, true
		}
	}
	return "", false
}
