package api

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
)

// Page is which part of a list is asked for.
type Page struct {
	Cursor string `query:"cursor" maxLength:"1000" doc:"The next of the reply before; absent: from the beginning. It stays good while new things come."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most. Fewer do not mean the end: that is a reply without next."`
}

// List is a part of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"The cursor for what follows; absent: this is the end"`
}

// looked is how many things are looked at for one page: somebody who may see one
// of a million is given shorter pages, not longer waits.
const looked = 5000

// at is what a cursor holds: the list it is of, and after what in it to go on.
type at struct {
	List  string `json:"l"`
	After string `json:"a"`
	Line  int    `json:"n,omitempty"`
}

func (a at) String() string {
	text, _ := json.Marshal(a) // strings
	return base64.RawURLEncoding.EncodeToString(text)
}

// where reads a cursor of a list.
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

// paged takes a page from a list that stands after a cursor already. id is what
// the cursor for what follows holds; shown says which are given.
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

// after leaves out what stands up to the cursor, and that itself. Where that is
// gone, nothing is left: the list ends.
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
