package plan

import (
	"bytes"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/sdk/schema"
)

// environment is shared by everything that is compiled from one plan.
type environment struct {
	dir        string
	at         string // the plan's directory as diagnostics show it
	secrets    *secret.Store
	functions  map[string]function.Function
	unreadable func(string, schema.Format) error // nil: files are not checked
	bodies     map[string]*hclsyntax.Body        // for the context of snippets

	mu       sync.Mutex
	texts    map[string][]byte // source text by file name
	given    map[string]bool   // names that are already paths as diagnostics show them
	decoders map[string]*decoder
	hidden   map[string][]diag.Hidden // by file: the secrets that are written in it
	empty    map[string]bool          // inventories without a record
	uses     map[string]use           // by diagnostic: the instance and expression that it is about
	mistaken map[string]bool          // references to blocks with a misspelt type, by the type that was meant
}

func newEnvironment(at string) *environment {
	return &environment{at: at, texts: map[string][]byte{}, given: map[string]bool{}, bodies: map[string]*hclsyntax.Body{}, decoders: map[string]*decoder{}}
}

// fork returns the environment for one compilation, so that a file can be
// compiled again with other inputs while the first result is in use.
func (e *environment) fork() *environment {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &environment{at: e.at, texts: maps.Clone(e.texts), given: map[string]bool{}, bodies: e.bodies, decoders: map[string]*decoder{}}
}

func (e *environment) remember(name string, text []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.texts[name] = text
}

// hide keeps a part of a file out of all snippets.
func (e *environment) hide(r hcl.Range) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hidden == nil {
		e.hidden = map[string][]diag.Hidden{}
	}
	h := diag.Hidden{Start: r.Start.Byte, End: r.End.Byte}
	if !slices.Contains(e.hidden[r.Filename], h) {
		e.hidden[r.Filename] = append(e.hidden[r.Filename], h)
	}
}

// noteEmpty records an inventory without a record.
func (e *environment) noteEmpty(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.empty == nil {
		e.empty = map[string]bool{}
	}
	e.empty[name] = true
}

// mistake records a correct reference to a block whose type is misspelt.
func (e *environment) mistake(reference string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mistaken == nil {
		e.mistaken = map[string]bool{}
	}
	e.mistaken[reference] = true
}

func (e *environment) isMistaken(reference string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mistaken[reference]
}

// use records which instance and expression a diagnostic is about.
func (e *environment) use(d *diag.Diagnostic, u use) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.uses == nil {
		e.uses = map[string]use{}
	}
	e.uses[d.Instance+" "+d.Range.String()] = u
}

func (e *environment) used(d *diag.Diagnostic) use {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.uses[d.Instance+" "+d.Range.String()]
}

// text returns the source text of a file that was remembered.
func (e *environment) text(name string) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.texts[name]
}

// shown returns a file's name as diagnostics show it.
func (e *environment) shown(name string) string {
	if e.at == "" || name == "" || e.given[name] {
		return name
	}
	return filepath.Join(e.at, filepath.FromSlash(name))
}

// decoder returns the decoder of a schema block; id names the block.
func (e *environment) decoder(id string, b schema.Block) *decoder {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, ok := e.decoders[id]
	if !ok {
		d = newDecoder(b)
		e.decoders[id] = d
	}
	return d
}

// snippet returns the source line of a range. If the range has only line and
// column, it also adds the byte offsets.
func (e *environment) snippet(r Range) (*Range, *diag.Snippet) {
	e.mu.Lock()
	text, ok := e.texts[r.Filename]
	hidden := e.hidden[r.Filename]
	e.mu.Unlock()
	if !ok {
		return &r, nil
	}
	if r.Start.Byte < 0 {
		at := 0
		for line := 1; line < r.Start.Line; line++ {
			i := bytes.IndexByte(text[at:], '\n')
			if i < 0 {
				break
			}
			at += i + 1
		}
		length := r.End.Column - r.Start.Column
		r.Start.Byte = min(len(text), at+max(0, r.Start.Column-1))
		r.End.Byte = min(len(text), r.Start.Byte+length)
	}
	s := diag.NewSnippet(text, r, hidden...)
	if s != nil && e.bodies[r.Filename] != nil {
		s.Context = blockAround(e.bodies[r.Filename], r.Start.Byte)
	}
	return &r, s
}

// blockAround returns the header of the top-level block around a byte.
func blockAround(body *hclsyntax.Body, at int) string {
	lo, hi := 0, len(body.Blocks)
	for lo < hi { // blocks are in the order of the file
		mid := (lo + hi) / 2
		if body.Blocks[mid].CloseBraceRange.End.Byte <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(body.Blocks) {
		return ""
	}
	b := body.Blocks[lo]
	if at <= b.OpenBraceRange.Start.Byte {
		return ""
	}
	var text strings.Builder
	text.WriteString(b.Type)
	for _, l := range b.Labels {
		text.WriteString(` "` + l + `"`)
	}
	return text.String()
}

var didYouMean = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s*Did you mean "([^"]+)"\?\s*`) })

// splitSuggestion takes the HCL library's own suggestion out of a detail.
func splitSuggestion(detail string) (rest, suggestion string) {
	m := didYouMean().FindStringSubmatch(detail)
	if m == nil {
		return detail, ""
	}
	return strings.TrimSpace(didYouMean().ReplaceAllLiteralString(detail, " ")), m[1]
}

// child returns a context below another one, for one more set of names.
func child(parent *hcl.EvalContext) *hcl.EvalContext { return parent.NewChild() }
