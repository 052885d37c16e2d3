package access

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// ErrEnded is the cause when a request's context ends because its session, token or
// rights have ended.
var ErrEnded = errors.New("the session or the token has ended")

// policy is the content security policy: nothing inline, nothing from other sites, no
// frames. The login goes to the provider through a link, because form-action also
// applies to redirects.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// maxBody is the longest accepted body of a request, in bytes. Plans that are sent are
// the longest.
const maxBody = 4 << 20

// Guard protects everything that the server answers.
type Guard struct {
	now      func() time.Time
	log      *slog.Logger
	audit    *Audit
	config   atomic.Pointer[Config]
	secret   []byte        // encrypts unfinished logins
	progress time.Duration // how long a client may accept nothing of an answer

	sessions sessions
	oidc     provider
	crossed  atomic.Pointer[http.CrossOriginProtection]

	asked   *buckets      // requests, by principal
	logins  *buckets      // logins at the provider, by address and in total
	wrong   *buckets      // wrong tokens, by address
	refusal *rate.Limiter // limits how many refusals of strangers are written down

	mu     sync.Mutex
	live   map[*live]bool
	came   map[string]time.Time // logins that came back from the provider, until they expire
	untold int
}

// live is a reading request, which may last long.
type live struct {
	who identity
	as  Principal
	end context.CancelCauseFunc
}

// New returns a guard that writes its audit log to audit.
func New(c *Config, audit *Audit, now func() time.Time, log *slog.Logger) *Guard {
	g := &Guard{now: now, log: log, audit: audit, secret: bits(), progress: 30 * time.Second, sessions: sessions{most: maxSessions, by: map[[32]byte]*session{}},
		asked: newBuckets(), logins: newBuckets(), wrong: newBuckets(), refusal: rate.NewLimiter(10, 100), live: map[*live]bool{}, came: map[string]time.Time{}}
	g.Use(c)
	return g
}

// Use replaces the configuration, also for people who are logged in.
func (g *Guard) Use(c *Config) {
	p := http.NewCrossOriginProtection()
	if c.ExternalURL != "" {
		_ = p.AddTrustedOrigin(c.ExternalURL) // ReadConfig has checked the address
	}
	g.crossed.Store(p)
	g.config.Store(c)
	g.Sweep()
}

// Sweep ends expired sessions, and reading requests of callers who have lost rights. It
// is called every second.
func (g *Guard) Sweep() {
	c, now := g.config.Load(), g.now()
	lives := g.sessions.sweep(c, now)
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.came, func(_ string, until time.Time) bool { return !now.Before(until) })
	for l := range g.live {
		p, is := l.who.resolve(c, now)
		p.Session = l.as.Session
		if !is || !same(p, l.as) || l.as.Session != "" && !lives[l.as.Session] {
			l.end(ErrEnded)
		}
	}
}

// Handler serves the patterns in open to everybody, and closed to callers with valid
// credentials. Login and logout are open too.
func (g *Guard) Handler(closed http.Handler, open map[string]http.Handler) http.Handler {
	mux, few := http.NewServeMux(), http.NewServeMux()
	for pattern, h := range open {
		mux.Handle(pattern, h)
		few.Handle(pattern, h)
	}
	few.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.answer(w, r, http.StatusNotFound, "only health is answered: the server has no configuration with tokens or a provider")
	})
	mux.HandleFunc("GET /login", g.form)
	mux.HandleFunc("POST /login", g.enter)
	mux.HandleFunc("GET /login/provider", g.leaveForProvider)
	mux.HandleFunc("GET "+callbackPath, g.comeBack)
	mux.HandleFunc("POST /logout", g.logout)
	mux.Handle("/", g.required(closed))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.config.Load()
		local := localTo(r)
		address, from := c.client(r)
		q := &request{Entry: Entry{Address: address, Method: r.Method, Path: short(r.URL.Path)}}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
		own := &writer{ResponseWriter: w, within: g.progress}
		defer own.progress() // for the end of the answer, which the server writes
		w = own
		g.headers(w, c)
		switch {
		case !from && !(local && IsLoopback(peer(r))):
			g.refuse(w, r, http.StatusForbidden, "only the proxies of the configuration are answered here; ask by "+c.ExternalURL)
		case !c.known(r.Host, local):
			g.refuse(w, r, http.StatusMisdirectedRequest, "the server is not known by the name in the request; its configuration lists the names: external_url, hosts")
		case g.crossed.Load().Check(r) != nil:
			g.refuse(w, r, http.StatusForbidden, "the request comes from a page of another site, and was not done")
		case c.closed():
			few.ServeHTTP(w, r)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			mux.ServeHTTP(w, r)
		}
	})
}

// headers sets the headers of every answer.
func (g *Guard) headers(w http.ResponseWriter, c *Config) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make the Origin of our own forms null
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if c.secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// required passes on the requests of callers with valid credentials.
func (g *Guard) required(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, p, done, ok := g.identify(w, r)
		if !ok {
			return
		}
		defer done()
		c, q := g.config.Load(), requestOf(r)
		q.Name, q.Key, q.Role, q.Session = p.Name, p.Key, p.Role, p.Session
		if wait, ok := g.asked.take(p.Key, rate.Limit(c.Limits.RequestsPerSecond), 4*c.Limits.RequestsPerSecond, g.now()); !ok {
			g.later(w, r, wait, "too many requests of "+p.Name)
			return
		}
		ctx := With(r.Context(), p)
		if reads(r) {
			ctx, end := context.WithCancelCause(ctx)
			defer end(nil)
			defer g.watch(&live{who: who, as: p, end: end})()
			next.ServeHTTP(w, r.WithContext(ctx))
			g.tellRefusal(w, q)
			return
		}
		g.mutation(ctx, w, r, next)
	})
}

// mutation writes a request to the audit log before and after it is handled. If the
// first line cannot be written, the request is not handled.
func (g *Guard) mutation(ctx context.Context, w http.ResponseWriter, r *http.Request, next http.Handler) {
	q := requestOf(r)
	q.Request = random()[:12]
	if err := g.tell(q.Entry, "asked"); err != nil {
		g.answer(w, r, http.StatusServiceUnavailable, "the audit log cannot be written, so nothing was done. Whoever runs the server finds the cause in its log. "+
			"The server goes on bringing gateways back, and so does dprun recover on its host")
		return
	}
	noted := &noted{}
	next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, auditedKey{}, noted)))
	e, about := q.Entry, noted.get()
	e.Status, e.Run, e.Reason, e.Change = status(w), about.Run, about.Reason, about.Change
	_ = g.tell(e, "answered") // already done; the server's log has the line
}

// identify finds the caller of a request. If there is none with valid credentials, it
// answers the request and returns false.
func (g *Guard) identify(w http.ResponseWriter, r *http.Request) (who identity, p Principal, done func(), ok bool) {
	c, now := g.config.Load(), g.now()
	if token, brings := bearer(r); brings {
		who = tokenIdentity(token)
		if p, ok = who.resolve(c, now); ok {
			return who, p, func() {}, true
		}
		if wait, ok := g.mistaken(r); !ok {
			g.later(w, r, wait, "too many wrong tokens came from this address")
			return who, p, nil, false
		}
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		g.refuse(w, r, http.StatusUnauthorized, "the token is not known or has expired")
		return who, p, nil, false
	}
	if cookie, err := r.Cookie(c.cookie("")); err == nil {
		if s, used := g.sessions.use(cookie.Value, c, now); s != nil {
			if p, ok = s.who.resolve(c, now); ok {
				p.Session = s.name
				return s.who, p, func() { used(g.now()) }, true
			}
			used(now)
			g.sessions.end(cookie.Value)
		}
	}
	if reads(r) && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return who, p, nil, false
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	g.refuse(w, r, http.StatusUnauthorized, "log in, or send a token: Authorization: Bearer TOKEN")
	return who, p, nil, false
}

// mistaken counts a wrong token and returns false if there were too many. Correct
// tokens are not counted, so that wrong tokens of others lock nobody out.
func (g *Guard) mistaken(r *http.Request) (wait time.Duration, ok bool) {
	perMinute := g.config.Load().Limits.LoginsPerMinute
	return g.wrong.take(subnet(requestOf(r).Address), rate.Limit(perMinute)/60, perMinute, g.now())
}

// watch registers a reading request for Sweep.
func (g *Guard) watch(l *live) (done func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live[l] = true
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.live, l)
	}
}

// tell writes a line of the audit log.
func (g *Guard) tell(e Entry, event string) error {
	e.Time, e.Event = g.now().UTC(), event
	return g.audit.Write(e)
}

// tellRefusal writes to the audit log that a handler behind the guard refused a
// request.
func (g *Guard) tellRefusal(w http.ResponseWriter, q *request) {
	if code := status(w); code == http.StatusForbidden || code == http.StatusUnauthorized {
		e := q.Entry
		e.Status = code
		_ = g.tell(e, "refused")
	}
}

// refuse refuses a request and writes that to the audit log. The number of lines that
// strangers can cause is limited, to protect the disk.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, code int, why string) {
	g.note(r, code, why)
	g.answer(w, r, code, why)
}

// note writes a refusal to the audit log.
func (g *Guard) note(r *http.Request, code int, why string) {
	e := requestOf(r).Entry
	e.Status, e.Why = code, why
	g.mu.Lock()
	told := g.refusal.AllowN(g.now(), 1)
	if told {
		e.Untold, g.untold = g.untold, 0
	} else {
		g.untold++
	}
	g.mu.Unlock()
	if told {
		_ = g.tell(e, "refused") // the request is refused in any case
	}
}

func (g *Guard) later(w http.ResponseWriter, r *http.Request, wait time.Duration, why string) {
	seconds := int((wait + time.Second - 1) / time.Second) // who comes too early is refused again
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	g.refuse(w, r, http.StatusTooManyRequests, fmt.Sprintf("%s; try again in %d s", why, seconds))
}

// answer explains a refusal: to a program in JSON (RFC 9457), to people in words.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, code int, why string) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		exit := 64 // the exit code of wrong usage; 1: it may work later
		if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
			exit = 1
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": code, "title": http.StatusText(code), "detail": why, "exit_code": exit})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, "%s: %s\n", http.StatusText(code), why)
}

// request is what the guard knows of a request. Other handlers do not see it.
type request struct{ Entry }

type requestKey struct{}

func requestOf(r *http.Request) *request { return r.Context().Value(requestKey{}).(*request) }

// reads reports whether a request changes nothing.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// localTo reports whether a request arrived at the loopback interface.
func localTo(r *http.Request) bool {
	a, is := r.Context().Value(http.LocalAddrContextKey).(interface{ String() string })
	return is && IsLoopback(hostname(a.String()))
}

func peer(r *http.Request) string { return hostname(r.RemoteAddr) }

// client returns the address of the caller. Behind a proxy, that is the address that
// the proxy names; false means that the request does not come from a configured proxy.
func (c *Config) client(r *http.Request) (address string, ok bool) {
	address = peer(r)
	if c.Proxy == nil {
		return address, true
	}
	if !c.Proxy.is(address) {
		return address, false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		ip, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if address = ip.Unmap().String(); !c.Proxy.is(address) {
			break
		}
	}
	return address, true
}

func (p *Proxy) is(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(ip.Unmap()) })
}

// subnet returns what counts as one address. For IPv6 that is the network of 64 bits,
// because one person has many addresses.
func subnet(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	n, _ := ip.Prefix(64)
	return n.String()
}

// short limits what a stranger can write into the audit log, in bytes.
func short(path string) string { return cut(path, 200) }

// cut returns the beginning of a text, of at most n bytes and whole characters.
func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// same reports whether two principals are the same and have the same rights.
func same(a, b Principal) bool {
	return a.Key == b.Key && a.Role == b.Role && slices.Equal(a.Plans, b.Plans) && maps.Equal(a.Labels, b.Labels)
}

// writer remembers the status of an answer. Every write has its own time limit: an
// answer such as a stream of events may take as long as it likes, while a client that
// accepts nothing cannot keep one open.
type writer struct {
	http.ResponseWriter
	within time.Duration
	code   int
	until  time.Time // the current deadline
}

func (w *writer) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.progress()
	w.ResponseWriter.WriteHeader(code)
}

func (w *writer) Write(b []byte) (int, error) {
	w.code = cmp.Or(w.code, http.StatusOK)
	w.progress()
	return w.ResponseWriter.Write(b)
}

func (w *writer) progress() {
	if until := time.Now().Add(w.within); until.Sub(w.until) > w.within/30 {
		w.until = until
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(until)
	}
}

// Unwrap lets [http.ResponseController] reach the answer.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements [http.Flusher].
func (w *writer) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func status(w http.ResponseWriter) int {
	if own, is := w.(*writer); is && own.code != 0 {
		return own.code
	}
	return http.StatusOK
}
