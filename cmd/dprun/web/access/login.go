package access

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

// cookie returns the name of a cookie. Over HTTPS its prefix makes browsers accept the
// cookie from this host only.
func (c *Config) cookie(what string) string {
	if c.secure() {
		return "__Host-dprun" + what
	}
	return "dprun" + what
}

// setCookie sets a cookie that scripts cannot read and other sites cannot send.
func (c *Config) setCookie(w http.ResponseWriter, what, value string, age time.Duration) {
	k := &http.Cookie{Name: c.cookie(what), Value: value, Path: "/", MaxAge: int(age.Seconds()), Secure: c.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		k.MaxAge = -1
	}
	http.SetCookie(w, k)
}

// form shows the login form.
func (g *Guard) form(w http.ResponseWriter, r *http.Request) {
	said := ""
	if r.URL.Query().Has("out") {
		said = "You are logged out here. With the provider, if you came by one, you still are logged in."
	}
	g.showForm(w, r, http.StatusOK, said)
}

func (g *Guard) showForm(w http.ResponseWriter, r *http.Request, code int, said string) {
	data := struct {
		Said, Next, Issuer string
		Wrong              bool
	}{Said: said, Next: within(r.FormValue("next")), Wrong: code != http.StatusOK}
	if o := g.config.Load().OIDC; o != nil {
		data.Issuer = o.Issuer
	}
	var page bytes.Buffer
	if err := loginPage.Execute(&page, data); err != nil {
		g.log.Error("the login page cannot be shown", "error", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(page.Bytes())
}

// enter logs in a person who types a token.
func (g *Guard) enter(w http.ResponseWriter, r *http.Request) {
	who := tokenIdentity(strings.TrimSpace(r.PostFormValue("token")))
	p, is := who.resolve(g.config.Load(), g.now())
	if !is {
		if wait, ok := g.mistaken(r); !ok {
			g.later(w, r, wait, "too many wrong tokens came from this address")
			return
		}
		g.refuseLogin(w, r, http.StatusUnauthorized, "The token is not known or has expired.")
		return
	}
	g.begin(w, r, who, p, r.PostFormValue("next"))
}

// begin starts a session. It ends an older session of the same browser.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, who identity, p Principal, next string) {
	c := g.config.Load()
	if old, err := r.Cookie(c.cookie("")); err == nil {
		g.sessions.end(old.Value)
	}
	cookie, s := g.sessions.begin(who, p.Key, g.now())
	c.setCookie(w, "", cookie, c.Sessions.longest)
	e := requestOf(r).Entry
	e.Name, e.Key, e.Role, e.Session = p.Name, p.Key, p.Role, s.name
	_ = g.tell(e, "login") // the server's log has the line
	http.Redirect(w, r, within(next), http.StatusSeeOther)
}

// refuseLogin shows the form again with the reason.
func (g *Guard) refuseLogin(w http.ResponseWriter, r *http.Request, code int, why string) {
	g.note(r, code, why)
	g.showForm(w, r, code, why)
}

func (g *Guard) logout(w http.ResponseWriter, r *http.Request) {
	c := g.config.Load()
	if cookie, err := r.Cookie(c.cookie("")); err == nil {
		if s := g.sessions.end(cookie.Value); s != nil {
			e := requestOf(r).Entry
			e.Key, e.Session = s.key, s.name
			_ = g.tell(e, "logout")
			g.Sweep()
		}
	}
	c.setCookie(w, "", "", 0)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/login?out", http.StatusSeeOther)
}

// within returns the path to open after the login. It accepts only paths of this
// server.
func within(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
