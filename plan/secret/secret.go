// Package secret carries secrets through expressions.
//
// A secret value is marked with its origin. The mark follows the value through
// every expression, so dprun knows that every value made from a secret is
// secret. Marks are removed only where a plugin gets its configuration. For
// recovery the reference is stored, never the value.
package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Kind says how a secret is read.
type Kind string

// The kinds. A variable is given by value and cannot be read again.
const (
	KindEnv      Kind = "env"
	KindFile     Kind = "file"
	KindCommand  Kind = "command"
	KindVariable Kind = "variable"
)

// Ref says where a secret is read. Its JSON form is stable.
type Ref struct {
	Kind Kind     `json:"kind"`
	Args []string `json:"args"` // a name, a path or an argv
}

// Readable reports whether the secret can be read again.
func (r Ref) Readable() bool { return r.Kind != KindVariable }

// String returns the reference as a plan writes it.
func (r Ref) String() string {
	switch {
	case r.Kind == KindVariable && len(r.Args) == 1:
		return "var." + r.Args[0]
	case r.Kind == KindCommand && len(r.Args) > 0:
		return fmt.Sprintf("secret_command([%q, …])", r.Args[0])
	case len(r.Args) == 1:
		return fmt.Sprintf("secret_%s(%q)", r.Kind, r.Args[0])
	}
	return "secret_" + string(r.Kind)
}

func (r Ref) key() string {
	b, err := json.Marshal(r)
	if err != nil { // cannot happen: strings only
		return r.String()
	}
	return string(b)
}

// Reader reads secrets. Its errors name the reference and the reason, never a
// value.
type Reader interface {
	ReadSecret(Ref) (string, error)
}

// Mark is the cty mark of a secret. It is used by pointer; a [Store] has one
// for each reference. It prints as its reference.
type Mark struct {
	Ref   Ref
	plain cty.Value
}

// String returns the reference, not the value.
func (m *Mark) String() string { return m.Ref.String() }

// GoString keeps the value out of %#v.
func (m *Mark) GoString() string { return m.Ref.String() }

// MarshalJSON keeps the value out of JSON.
func (m *Mark) MarshalJSON() ([]byte, error) { return json.Marshal(m.Ref) }

// Store reads secrets and keeps them, so that each reference is read only once.
// Its methods may be called concurrently.
type Store struct {
	reader Reader

	mu    sync.Mutex
	marks map[string]*Mark
}

// NewStore makes a store. With a nil reader every secret is an unknown value.
func NewStore(r Reader) *Store { return &Store{reader: r, marks: map[string]*Mark{}} }

// ErrNotRead is a reader's error for a secret that it does not read now. The
// secret is an unknown value until it is needed and read again.
var ErrNotRead = errors.New("the secret is not read yet")

// Value returns the marked string of a reference.
func (s *Store) Value(ref Ref) (cty.Value, error) {
	s.mu.Lock()
	m, ok := s.marks[ref.key()]
	s.mu.Unlock()
	if ok {
		return m.plain.Mark(m), nil
	}
	m = &Mark{Ref: ref, plain: cty.UnknownVal(cty.String).RefineNotNull()}
	if s.reader != nil { // reading may take long; others go on meanwhile
		text, err := s.reader.ReadSecret(ref)
		switch {
		case errors.Is(err, ErrNotRead):
			return m.plain.Mark(m), nil
		case err != nil:
			return cty.NilVal, &ReadError{Ref: ref, Err: err}
		}
		m.plain = cty.StringVal(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.marks[ref.key()]; ok {
		m = first
	}
	s.marks[ref.key()] = m
	return m.plain.Mark(m), nil
}

// Variable marks the value of a sensitive variable. A value that already is
// secret by reference keeps its own marks.
func (s *Store) Variable(name string, v cty.Value) cty.Value {
	if v.IsMarked() {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &Mark{Ref: Ref{Kind: KindVariable, Args: []string{name}}, plain: v}
	s.marks[m.Ref.key()] = m
	return v.Mark(m)
}

// Plain lists the texts of all secrets known so far, for a redactor.
func (s *Store) Plain() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.marks {
		v, _ := m.plain.UnmarkDeep()
		_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
			if !e.IsKnown() || e.IsNull() || !e.Type().IsPrimitiveType() || e.Type() == cty.Bool {
				return true, nil
			}
			if text, err := convert.Convert(e, cty.String); err == nil && text.AsString() != "" {
				all = append(all, text.AsString())
			}
			return true, nil
		})
	}
	return all
}

// ReadError is the error of a secret that could not be read.
type ReadError struct {
	Ref Ref
	Err error
}

// Unreadable reports whether an error is a [ReadError], which never holds the
// secret.
func Unreadable(err error) bool {
	var e *ReadError
	return errors.As(err, &e)
}

// Error implements error.
func (e *ReadError) Error() string { return fmt.Sprintf("read %s: %v", e.Ref, e.Err) }

// Unwrap returns the reader's own error.
func (e *ReadError) Unwrap() error { return e.Err }
