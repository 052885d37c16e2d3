package soma

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"sync/atomic"
)

// rowList reads a status list that has a row for every domain of a device and is read with every task. Each read
// is a request of its own, and its result holds only for that moment. But a row with the same bytes as in the
// last reply means the same and is not decoded again. So the cost of a read depends on how much has changed, not
// on the number of domains.
//
// All bytes of a reply are compared. What comes before and after the rows must equal the last reply, except for
// the time, and each row is either equal or decoded. Otherwise the reply is parsed like any other.
type rowList[T any] struct {
	class  string
	decode func(*Node) (T, string) // or what is wrong with the row
	last   atomic.Pointer[told[T]]
}

// told is the content of a reply, with its text.
type told[T any] struct {
	before, after string // before the time, and between the time and the rows
	texts         []string
	rows          []T
	tail          string
}

// read returns the rows and the time of a reply. The rows are shared with other replies and must not be changed.
func (l *rowList[T]) read(r *reply, in io.Reader, limit int64) ([]T, error) {
	h := hold(in)
	defer h.release()
	whole := h.rest == nil && int64(len(h.b)) <= limit
	if whole {
		if rows, stamp := l.again(h.b); len(rows) > 0 {
			r.timestamp = stamp
			return rows, nil
		}
	}
	if err := r.parse(h.reader(), limit, nil); err != nil {
		return nil, err
	}
	if err := r.failure(); err != nil {
		return nil, err
	}
	if err := r.want("status"); err != nil {
		return nil, err
	}
	nodes, err := r.rows(l.class)
	if err != nil {
		return nil, err
	}
	rows := make([]T, len(nodes))
	for i, n := range nodes {
		var bad string
		if rows[i], bad = l.decode(n); bad != "" {
			return nil, &Error{Op: r.op, Class: BadReply, Text: bad}
		}
	}
	if whole {
		l.remember(h.b, r, rows)
	}
	return rows, nil
}

// remember keeps a reply that consists only of its time and its rows.
func (l *rowList[T]) remember(b []byte, r *reply, rows []T) {
	end := r.stampAt + int64(len(r.timestamp))
	if len(r.results) > 0 || len(rows) == 0 || len(r.cuts) != len(rows)+1 || r.timestamp == "" || end >= r.cuts[0] ||
		stampLength(b[r.stampAt:]) != len(r.timestamp) || string(b[r.stampAt:end]) != r.timestamp || b[end] != '<' {
		return
	}
	text := string(b)
	t := &told[T]{before: text[:r.stampAt], after: text[end:r.cuts[0]], rows: rows, tail: text[r.cuts[len(rows)]:]}
	for i := range rows {
		t.texts = append(t.texts, text[r.cuts[i]:r.cuts[i+1]])
	}
	l.last.Store(t)
}

// again reads a reply that equals the last one except for its time and some rows. For any other reply it returns no rows.
func (l *rowList[T]) again(b []byte) (rows []T, stamp string) {
	last := l.last.Load()
	if last == nil {
		return nil, ""
	}
	rest, ok := cutPrefix(b, last.before)
	if !ok {
		return nil, ""
	}
	n := stampLength(rest)
	stamp = string(rest[:n])
	if rest, ok = cutPrefix(rest[n:], last.after); !ok || n == 0 {
		return nil, ""
	}
	now, changed := *last, false
	i := 0
	for ; string(rest) != last.tail; i++ {
		if i < len(last.texts) {
			if next, same := cutPrefix(rest, last.texts[i]); same {
				rest = next
				if changed {
					now.texts, now.rows = append(now.texts, last.texts[i]), append(now.rows, last.rows[i])
				}
				continue
			}
		}
		row, size, ok := l.row(rest)
		if !ok {
			return nil, ""
		}
		if !changed {
			changed = true
			more := len(last.rows) - i + 1
			now.texts, now.rows = append(make([]string, 0, i+more), last.texts[:i]...), append(make([]T, 0, i+more), last.rows[:i]...)
		}
		now.texts, now.rows = append(now.texts, string(rest[:size])), append(now.rows, row)
		rest = rest[size:]
	}
	if i < len(last.rows) && !changed {
		changed = true
		now.texts, now.rows = slices.Clip(now.texts[:i]), slices.Clip(now.rows[:i])
	}
	if changed {
		l.last.Store(&now)
	}
	return now.rows, stamp
}

// row decodes the row at the beginning of b and returns its size in bytes.
func (l *rowList[T]) row(b []byte) (row T, size int, ok bool) {
	d := xml.NewDecoder(&source{r: bytes.NewReader(b), left: int64(len(b))})
	start, err := nextStart(d)
	if err != nil || start.Name.Local != l.class {
		return row, 0, false
	}
	var r reply
	n, err := r.readNode(d, start, 0)
	if err != nil {
		return row, 0, false
	}
	row, bad := l.decode(n)
	return row, int(d.InputOffset()), bad == ""
}

func cutPrefix(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return b, false
	}
	return b[len(prefix):], true
}

// stampLength returns how many bytes at the beginning of b can be a time.
func stampLength(b []byte) int {
	for i, c := range b {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != ':' && c != '.' && c != 'T' && c != 'Z' {
			return i
		}
	}
	return len(b)
}
