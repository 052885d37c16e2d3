package api

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
)

// Page selects a part of a list.
type Page struct {
	Cursor string `query:"cursor" maxLength:"1000" doc:"The next of the reply before; absent: from the beginning. It stays good while new things come."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most. Fewer do not mean the end: that is a reply without next."`
}

// List is a part of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"The cursor for what follows; absent: this is the end"`
}

// looked is the highest number of items examined for one page. A caller who may see one
// item in a million gets shorter pages, not longer waits.
const looked = 5000

// at is the content of a cursor: the list that it belongs to, and the item after which
// to continue.
type at struct {
	List  string `json:"l"`
	After string `json:"a"`
	Line  int    `json:"n,omitempty"`
}

func (a at) String() string {
	text, _ := json.Marshal(a) // cannot fail: all fields are strings or numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

// where decodes the cursor, which must belong to list.
func (p Page) where(list string) (at, error) {
	if p.Cursor == "" {
		return at{List: list}, nil
	}
	var a at
	text, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil || a.List != list || a.Line < 0 {
		return a, problemOf(http.StatusUnprocessableEntity, "The cursor is none of this list.", "Give the next of the reply before, with the same filters; or none, to begin anew.")
	}
	return a, nil
}

// paged takes a page from a list that already starts behind the cursor. id returns what
// the next cursor holds for an item; shown reports whether the caller may see it.
func paged[T any](p Page, list string, all iter.Seq2[T, error], id func(T) string, shown func(T) bool) (List[T], error) {
	out := List[T]{Items: []T{}}
	seen, last := 0, ""
	for item, err := range all {
		if err != nil {
			return out, err
		}
		if len(out.Items) == p.Limit || seen == looked {
			out.Next = at{List: list, After: last}.String()
			break
		}
		seen, last = seen+1, id(item)
		if shown(item) {
			out.Items = append(out.Items, item)
		}
	}
	return out, nil
}

// after skips the items up to and including the one at the cursor. If that item no
// longer exists, the list is empty.
func after[T any](all iter.Seq2[T, error], cursor string, id func(T) string) iter.Seq2[T, error] {
	if cursor == "" {
		return all
	}
	return func(yield func(T, error) bool) {
		passed := false
		for item, err := range all {
			switch {
			case err != nil, passed:
				if !yield(item, err) {
					return
				}
			default:
				passed = id(item) == cursor
			}
		}
	}
}
