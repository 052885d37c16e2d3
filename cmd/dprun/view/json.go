package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

// JSON is the view for programs. It writes one object a line to standard output; the
// first line describes the version.
type JSON struct {
	mu     sync.Mutex
	out    io.Writer
	stderr io.Writer
	quiet  bool
	err    error
}

// NewJSON returns a JSON view and writes its first line.
func NewJSON(o Options, v report.Version) *JSON {
	j := &JSON{out: o.Stdout, stderr: o.Stderr, quiet: o.Told == Failures}
	j.Show(v)
	return j
}

// line writes an object whose first field is its type.
func line(j *JSON, typ string, v any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, err := typed(typ, v)
	if err == nil {
		_, err = j.out.Write(b)
	}
	j.err = cmp.Or(j.err, err)
}

// each writes one object for each item.
func each[T any](j *JSON, typ string, all []T) {
	for _, v := range all {
		line(j, typ, v)
	}
}

// typed encodes a struct with a type before its fields and a line feed at the end.
func typed(typ string, v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":"` + typ + `",`)
	at := b.Len()
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(filled(v)); err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", typ, err)
	}
	out := b.Bytes()
	if len(out) < at+2 || out[at] != '{' || out[at+1] == '}' {
		return nil, fmt.Errorf("write %s as JSON: it has no fields", typ)
	}
	return harmless(append(out[:at], out[at+1:]...)), nil
}

// harmless escapes the characters that JSON allows unescaped although a terminal reads
// them as commands or they reverse the direction of writing.
func harmless(b []byte) []byte {
	if !bytes.ContainsFunc(b, steers) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for _, r := range string(b) {
		if steers(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

func steers(r rune) bool { return r != '\n' && schema.Steers(r) }

// harmlessWriter applies harmless to what others write.
type harmlessWriter struct{ to io.Writer }

func (p harmlessWriter) Write(b []byte) (int, error) {
	_, err := p.to.Write(harmless(b))
	return len(b), err
}

// filled replaces nil lists by empty ones: readers never find null for a list.
func filled(v any) any {
	in := reflect.ValueOf(v)
	if in.Kind() != reflect.Struct {
		return v
	}
	out := reflect.New(in.Type()).Elem()
	out.Set(in)
	for i := range out.NumField() {
		if f := out.Field(i); f.Kind() == reflect.Slice && f.IsNil() && f.CanSet() {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
	return out.Interface()
}

// Diagnostics implements [View].
func (j *JSON) Diagnostics(l diag.List) {
	each(j, "diagnostic", l)
}

// Graph implements [View].
func (j *JSON) Graph(g report.Graph, _ GraphFormat) { line(j, "graph", g) }

// NothingToRecover implements [View]. It writes nothing: the absence of objects says
// the same.
func (j *JSON) NothingToRecover() {}

// Paying implements [View]. It writes nothing: pending recoveries that remain follow as
// objects at the end.
func (j *JSON) Paying([]report.Owed, string) {}

// Stopping implements [View]. It writes nothing: the statuses show it.
func (j *JSON) Stopping(string, bool) {}

// Fail implements [View].
func (j *JSON) Fail(f report.Failure) { line(j, "error", f) }

// Run implements [event.Sink].
func (j *JSON) Run(r event.RunInfo) { line(j, "run", r) }

// Status implements [event.Sink].
func (j *JSON) Status(s event.Status) { j.Statuses([]event.Status{s}) }

// Statuses implements [event.StatusesSink]. It writes many statuses at once.
func (j *JSON) Statuses(all []event.Status) {
	if j.quiet { // the results follow with the summary
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var text []byte
	for i, s := range all {
		typ := "task_status"
		if s.Task == "" {
			typ = "run_status"
		}
		b, err := typed(typ, s)
		if text = append(text, b...); len(text) > writtenAtOnce || i == len(all)-1 {
			_, failed := j.out.Write(text)
			text, err = text[:0], cmp.Or(err, failed)
		}
		j.err = cmp.Or(j.err, err)
	}
}

// writtenAtOnce is about how many bytes of statuses go into one write.
const writtenAtOnce = 32 << 10

// Progress implements [event.Sink].
func (j *JSON) Progress(p event.Progress) {
	if !j.quiet {
		line(j, "progress", p)
	}
}

// Log implements [event.Sink].
func (j *JSON) Log(l event.Log) {
	if !j.quiet {
		line(j, "log", l)
	}
}

// Summary implements [event.Sink]. An object for every task's result comes before it,
// so that lines stay short enough for a log.
func (j *JSON) Summary(s event.Summary) {
	for _, t := range s.Tasks {
		line(j, "task_summary", summarized(s.Run, t))
	}
	line(j, "summary", runSummary{s, len(s.Tasks)})
}

// Settled implements [event.Sink].
func (j *JSON) Settled(s event.Settled) { line(j, "settled", s) }

// LogWriter implements [View].
func (j *JSON) LogWriter() io.Writer { return harmlessWriter{j.stderr} }

// Close implements [View].
func (j *JSON) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}
