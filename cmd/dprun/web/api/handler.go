package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
)

// ServeHTTP answers a request within the time limit of its route. It refuses unknown
// callers.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, ok := access.From(r.Context()); !ok {
		unknownCaller().write(w)
		return
	}
	route, ok := a.route(r)
	if !ok {
		a.unrouted(r).write(w)
		return
	}
	if slots := route.pace.slots; slots != nil {
		select {
		case slots <- struct{}{}:
		default:
			problemOf(http.StatusTooManyRequests, "Others are asking the same kind of thing just now, and it is a costly one.", "Ask again in a few seconds.").write(w)
			return
		}
	}
	if route.pace.most == 0 {
		defer func() { <-route.pace.slots }()
		a.mux.ServeHTTP(w, r)
		return
	}
	a.timed(w, r, route)
}

// timed answers from a buffer. If the answer comes too late, it is thrown away and the
// caller is told so. The slot becomes free only when the work has really ended.
func (a *api) timed(w http.ResponseWriter, r *http.Request, route Route) {
	ctx, cancel := context.WithTimeout(r.Context(), route.pace.most)
	defer cancel()
	reply := make(chan *buffer, 1)
	go func() {
		if route.pace.slots != nil {
			defer func() { <-route.pace.slots }()
		}
		b := &buffer{header: http.Header{}}
		defer func() {
			if v := recover(); v != nil {
				b = &buffer{header: http.Header{}}
				internal(a.Log, fmt.Errorf("panic: %v\n%s", v, debug.Stack())).write(b)
			}
			reply <- b
		}()
		a.mux.ServeHTTP(b, r.WithContext(ctx))
	}()
	over := time.NewTimer(route.pace.most + time.Second) // work that heeds its context reports the timeout itself
	defer over.Stop()
	select {
	case b := <-reply:
		b.send(w, r)
	case <-over.C:
		late().write(w)
	case <-r.Context().Done(): // nobody listens; the audit log tells that the work may go on
		late().write(w)
	}
}

// route returns the route of a request. A route whose path ends in a slash does not
// cover the paths below it.
func (a *api) route(r *http.Request) (Route, bool) {
	_, pattern := a.mux.Handler(r)
	route, ok := a.routes[pattern]
	return route, ok && (!strings.HasSuffix(route.Path, "/") || r.URL.Path == route.Path)
}

// unrouted says whether the path or the method of a request is wrong.
func (a *api) unrouted(r *http.Request) *Problem {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if route, ok := a.route(other); ok && route.Method == method {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return problemOf(http.StatusNotFound, "There is nothing at this path.", "See "+Base+"/openapi.json for what there is.")
	}
	p := problemOf(http.StatusMethodNotAllowed, "This path does not know the method.", "Use "+strings.Join(allowed, " or ")+".")
	p.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return p
}

func unknownCaller() *Problem {
	return problemOf(http.StatusUnauthorized, "Nobody is answered without saying who he is.", "Send a token of the server's configuration: Authorization: Bearer TOKEN")
}

// write sends the problem as the answer.
func (p *Problem) write(w http.ResponseWriter) {
	for k, v := range p.header {
		w.Header()[k] = v
	}
	text, err := encode(p)
	if err != nil {
		text = nil
	}
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(text)
}

// buffer is a reply that is not sent yet.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	b.status = cmp.Or(b.status, status)
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// send sends the reply, or says that the caller already has it.
func (b *buffer) send(w http.ResponseWriter, r *http.Request) {
	for k, v := range b.header {
		w.Header()[k] = v
	}
	b.status = cmp.Or(b.status, http.StatusOK)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet && b.status == http.StatusOK {
		sum := sha256.Sum256(b.body.Bytes())
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Set("Vary", "Authorization, Cookie")
		for has := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
			if strings.TrimPrefix(strings.TrimSpace(has), "W/") == tag {
				w.Header().Del("Content-Type")
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	w.WriteHeader(b.status)
	_, _ = w.Write(b.body.Bytes())
}
