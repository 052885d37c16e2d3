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

// environment is what everything compiled from one plan shares.
type environment struct {
	dir        string
	at         string // the plan's directory as the reader of diagnostics knows it
	secrets    *secret.Store
	functions  map[string]function.Function
	unreadable func(string, schema.Format) error // nil: files are not looked at
	bodies     map[string]*hclsyntax.Body        // for the context of snippets

	mu       sync.Mutex
	texts    map[string][]byte // source text by file name
	given    map[string]bool   // names that are paths as the reader knows them
	decoders map[string]*decoder
	hidden   map[string][]diag.Hidden // of each file: secrets that are written in it
	empty    map[string]bool          // inventories without a record
	uses     map[string]use           // what the diagnostics about instances speak of
	mistaken map[string]bool          // references to blocks whose type is misspelt, with the type that was meant
}

func newEnvironment(at string) *environment {
	return &environment{at: at, texts: map[string][]byte{}, given: map[string]bool{}, bodies: map[string]*hclsyntax.Body{}, decoders: map[string]*decoder{}}
}

// fork makes the environment of one compilation, so that a file can be
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

// hide keeps a stretch of a file out of all snippets.
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

// noteEmpty notes an inventory without a record.
func (e *environment) noteEmpty(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.empty == nil {
		e.empty = map[string]bool{}
	}
	e.empty[name] = true
}

// mistake notes a reference that is right but for the block that it means.
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

// use notes what a diagnostic about an instance speaks of.
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

// text is the source text of a file that was remembered.
func (e *environment) text(name string) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.texts[name]
}

// shown is a file's name as the reader of diagnostics knows it.
func (e *environment) shown(name string) string {
	if e.at == "" || name == "" || e.given[name] {
		return name
	}
	return filepath.Join(e.at, filepath.FromSlash(name))
}

// decoder gives the decoder of a schema block; id names the block.
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

// snippet finds the source line of a range, and the byte offsets of one that
// knows only its line and column.
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

// blockAround is the header of the top-level block that holds a byte.
func blockAround(body *hclsyntax.Body, at int) string {
	lo, hi := 0, len(body.Blocks)
	for lo < hi { // blocks stand in the order of the file
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

// child makes a context below another with one more set of names.
func child(parent *hcl.EvalContext) *hcl.EvalContext { return parent.NewChild() }
