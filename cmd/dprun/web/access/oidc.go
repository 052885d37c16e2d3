package access

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/time/rate"
)

// callbackPath is the path to which the provider sends people back.
const callbackPath = "/login/callback"

const (
	loginTime    = 10 * time.Minute // for a login at the provider
	providerTime = 10 * time.Second // for each answer of the provider
	providerAge  = time.Hour        // after which its description is read again
	providerRest = 5 * time.Second  // after a failure, before the provider is asked again
	skew         = time.Minute      // tolerated difference of the provider's clock
)

// person is somebody who logged in at the provider, with the provider's claims about
// that person.
type person struct {
	issuer, client, subject, name string
	claims                        map[string]any
}

// resolve returns the principal by a configuration. The first grant that fits decides
// the role.
func (p *person) resolve(c *Config) (Principal, bool) {
	if c.OIDC == nil || c.OIDC.Issuer != p.issuer || c.OIDC.ClientID != p.client {
		return Principal{}, false
	}
	for _, g := range c.OIDC.Grants {
		if slices.ContainsFunc(values(p.claims, g.Claim), func(v string) bool { return slices.Contains(g.Values, v) }) {
			return Principal{Name: p.name, Key: p.issuer + " " + p.subject, Role: Role(g.Role), Plans: g.Plans, Labels: g.Labels}, true
		}
	}
	return Principal{}, false
}

// values returns the texts of a claim. If no claim has a name with a dot, the name
// selects a field of an object, as in realm_access.roles.
func values(claims map[string]any, name string) (out []string) {
	v, is := claims[name]
	if outer, inner, dotted := strings.Cut(name, "."); !is && dotted {
		if o, is := claims[outer].(map[string]any); is {
			return values(o, inner)
		}
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if s, is := e.(string); is {
				out = append(out, s)
			}
		}
	}
	return out
}

// provider holds what is known of the provider. It is contacted when somebody logs in,
// so that the server also starts without it.
type provider struct {
	mu     sync.Mutex
	of     string // the issuer and CA that the rest belongs to
	found  *oidc.Provider
	client *http.Client
	again  time.Time // when to ask the provider again
	failed error
}

func (p *provider) get(ctx context.Context, o *OIDC, now time.Time) (*oidc.Provider, *http.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := o.Issuer + "\n" + o.CAFile; p.of != of {
		p.of, p.found, p.again, p.failed = of, nil, time.Time{}, nil
	}
	if now.Before(p.again) && (p.found != nil || p.failed != nil) {
		return p.found, p.client, p.failed
	}
	client, err := clientFor(o)
	if err == nil {
		ctx, end := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), client), providerTime)
		defer end()
		var found *oidc.Provider
		if found, err = oidc.NewProvider(ctx, o.Issuer); err == nil {
			p.found, p.client, p.failed, p.again = found, client, nil, now.Add(providerAge)
			return found, client, nil
		}
	}
	p.again = now.Add(providerRest)
	if p.found == nil { // the previous answer stays valid
		p.failed = err
	}
	return p.found, p.client, p.failed
}

// clientFor returns the client for the provider. It follows no redirects and limits the
// length of answers.
func clientFor(o *OIDC) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		pool := x509.NewCertPool()
		if err == nil && !pool.AppendCertsFromPEM(text) {
			err = fmt.Errorf("%s holds no certificate", o.CAFile)
		}
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: bounded{t}, Timeout: providerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(a.Body, 1<<20), a.Body}
	}
	return a, err
}

// oauth returns the settings of the exchange with a provider.
func oauth(c *Config, p *oidc.Provider) (*oauth2.Config, error) {
	o := c.OIDC
	var of struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := p.Claims(&of); err != nil {
		return nil, err
	}
	e := p.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInHeader
	if o.ClientSecretFile == "" || len(of.Methods) > 0 && !slices.Contains(of.Methods, "client_secret_basic") {
		e.AuthStyle = oauth2.AuthStyleInParams // trying both styles would send a code twice
	}
	conf := &oauth2.Config{ClientID: o.ClientID, Endpoint: e, RedirectURL: c.ExternalURL + callbackPath, Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...)}
	if o.ClientSecretFile != "" {
		text, err := os.ReadFile(o.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("client_secret_file: %w", err)
		}
		conf.ClientSecret = strings.TrimSpace(string(text))
	}
	return conf, nil
}

// underWay is an unfinished login at the provider. The browser holds it, encrypted.
type underWay struct {
	State, Nonce, Verifier, Next string
	Until                        time.Time
}

// away is the message when the provider cannot log people in.
func away(o *OIDC, err error) string {
	return fmt.Sprintf("%s cannot be asked who you are: %s. Try again later, or log in with a token. Whoever runs the server finds out with: curl %s/.well-known/openid-configuration",
		o.Issuer, plain(err), strings.TrimSuffix(o.Issuer, "/"))
}

// plain describes an error. Of an answer from the provider it keeps only the reason.
func plain(err error) string {
	if r := new(oauth2.RetrieveError); errors.As(err, &r) {
		if r.ErrorCode == "" {
			return "it answered " + r.Response.Status
		}
		return printable(strings.TrimSpace(r.ErrorCode + ": " + r.ErrorDescription))
	}
	return printable(err.Error())
}

// printable limits a text from elsewhere to printable characters and a safe length.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return cut(s, 300)
}

// leaveForProvider sends the browser to the provider.
func (g *Guard) leaveForProvider(w http.ResponseWriter, r *http.Request) {
	c := g.config.Load()
	if c.OIDC == nil {
		g.refuseLogin(w, r, http.StatusNotFound, "This server has no provider to log in with. Log in with a token.")
		return
	}
	if !g.mayLogin(w, r) {
		return
	}
	p, _, err := g.oidc.get(r.Context(), c.OIDC, g.now())
	var conf *oauth2.Config
	if err == nil {
		conf, err = oauth(c, p)
	}
	if err != nil {
		g.log.Warn("nobody can log in with the provider", "issuer", c.OIDC.Issuer, "error", plain(err))
		g.refuseLogin(w, r, http.StatusServiceUnavailable, away(c.OIDC, err))
		return
	}
	u := underWay{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), Next: within(r.FormValue("next")), Until: g.now().Add(loginTime)}
	c.setCookie(w, "-login", g.seal(u), loginTime)
	http.Redirect(w, r, conf.AuthCodeURL(u.State, oidc.Nonce(u.Nonce), oauth2.S256ChallengeOption(u.Verifier)), http.StatusSeeOther)
}

// mayLogin counts an attempt to log in at the provider, which costs the provider work.
// It answers the request and returns false if there were too many.
func (g *Guard) mayLogin(w http.ResponseWriter, r *http.Request) bool {
	perMinute := g.config.Load().Limits.LoginsPerMinute
	wait, ok := g.logins.take(subnet(requestOf(r).Address), rate.Limit(perMinute)/60, perMinute, g.now())
	if ok {
		wait, ok = g.logins.take("all", rate.Limit(10*perMinute)/60, 10*perMinute, g.now())
	}
	if !ok {
		g.later(w, r, wait, "too many people log in at once")
	}
	return ok
}

// comeBack logs in a person who returns from the provider.
func (g *Guard) comeBack(w http.ResponseWriter, r *http.Request) {
	c, now := g.config.Load(), g.now()
	cookie, err := r.Cookie(c.cookie("-login"))
	var u underWay
	if c.OIDC == nil || err != nil || !g.unseal(cookie.Value, &u) || !now.Before(u.Until) ||
		subtle.ConstantTimeCompare([]byte(r.FormValue("state")), []byte(u.State)) != 1 {
		g.refuseLogin(w, r, http.StatusBadRequest, "This login was not begun in this browser, or it took longer than ten minutes. Begin it again.")
		return
	}
	c.setCookie(w, "-login", "", 0)
	if !g.first(u) {
		g.refuseLogin(w, r, http.StatusBadRequest, "This login has come back already. Begin it again.")
		return
	}
	if said := r.FormValue("error"); said != "" {
		g.refuseLogin(w, r, http.StatusForbidden, "The provider refused the login: "+printable(strings.TrimSpace(said+" "+r.FormValue("error_description")))+".")
		return
	}
	if iss := r.FormValue("iss"); iss != "" && iss != c.OIDC.Issuer {
		g.refuseLogin(w, r, http.StatusForbidden, "The answer comes from another provider than the one that was asked.")
		return
	}
	who, err := g.redeem(r.Context(), c, u, r.FormValue("code"))
	if err != nil {
		g.log.Warn("a login with the provider failed", "issuer", c.OIDC.Issuer, "error", plain(err))
		code, why := http.StatusForbidden, "The provider's answer does not count: "+plain(err)+". Begin the login again."
		if notAsked := new(unanswered); errors.As(err, &notAsked) {
			code, why = http.StatusServiceUnavailable, away(c.OIDC, err)
		}
		g.refuseLogin(w, r, code, why)
		return
	}
	p, is := who.resolve(c)
	if !is {
		q := requestOf(r)
		q.Name, q.Key = who.name, who.issuer+" "+who.subject
		g.refuseLogin(w, r, http.StatusForbidden, fmt.Sprintf("You are %s, and nothing gives you a role here. Ask whoever runs the server to add one of your groups to its configuration.", who.name))
		return
	}
	g.begin(w, r, identity{person: who}, p, u.Next)
}

// first reports whether a login returns for the first time.
func (g *Guard) first(u underWay) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, came := g.came[u.State]
	g.came[u.State] = u.Until
	return !came
}

// unanswered reports that the provider did not answer at all.
type unanswered struct{ error }

// Unwrap returns the reason.
func (u *unanswered) Unwrap() error { return u.error }

// redeem exchanges a code for the person who logged in, and checks what the provider
// says.
func (g *Guard) redeem(ctx context.Context, c *Config, u underWay, code string) (*person, error) {
	p, client, err := g.oidc.get(ctx, c.OIDC, g.now())
	if err != nil {
		return nil, &unanswered{err}
	}
	conf, err := oauth(c, p)
	if err != nil {
		return nil, &unanswered{err}
	}
	ctx, end := context.WithTimeout(oidc.ClientContext(ctx, client), 2*providerTime)
	defer end()
	t, err := conf.Exchange(ctx, code, oauth2.VerifierOption(u.Verifier))
	if refused := new(oauth2.RetrieveError); err != nil && !errors.As(err, &refused) {
		return nil, &unanswered{err}
	} else if err != nil {
		return nil, err
	}
	raw, _ := t.Extra("id_token").(string)
	id, err := p.VerifierContext(ctx, &oidc.Config{ClientID: c.OIDC.ClientID, Now: func() time.Time { return g.now().Add(-skew) }}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	who := &person{issuer: id.Issuer, client: c.OIDC.ClientID, subject: id.Subject, claims: map[string]any{}}
	if err := id.Claims(&who.claims); err != nil {
		return nil, err
	}
	switch azp, _ := who.claims["azp"].(string); {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(u.Nonce)) != 1:
		return nil, errors.New("it belongs to another login")
	case len(id.Audience) > 1 && azp == "", azp != "" && azp != c.OIDC.ClientID:
		return nil, errors.New("it was made for another client")
	case id.Subject == "":
		return nil, errors.New("it does not say who that is")
	case id.IssuedAt.After(g.now().Add(skew)):
		return nil, fmt.Errorf("it was made at %s, which is still to come: compare the clocks of both servers", id.IssuedAt.UTC().Format(time.RFC3339))
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(t.AccessToken); err != nil {
			return nil, err
		}
	}
	if err := who.complete(ctx, c.OIDC, p, t); err != nil {
		return nil, err
	}
	who.name = who.called(c.OIDC.NameClaim)
	return who, nil
}

// complete asks the provider for the groups or the name that the ID token lacks.
func (p *person) complete(ctx context.Context, o *OIDC, from *oidc.Provider, t *oauth2.Token) error {
	lacks := func(g Grant) bool { return len(values(p.claims, g.Claim)) == 0 }
	if from.UserInfoEndpoint() == "" || !slices.ContainsFunc(o.Grants, lacks) && p.called(o.NameClaim) != p.subject {
		return nil
	}
	info, err := from.UserInfo(ctx, oauth2.StaticTokenSource(t))
	if err != nil {
		return fmt.Errorf("it does not say more of you: %w", err)
	}
	if info.Subject != p.subject {
		return errors.New("it speaks of somebody else")
	}
	var more map[string]any
	if err := info.Claims(&more); err != nil {
		return err
	}
	for name, v := range more {
		if _, is := p.claims[name]; !is {
			p.claims[name] = v
		}
	}
	return nil
}

// called returns a person's name for people. If the provider names none, it is the name
// that the provider uses itself.
func (p *person) called(claim string) string {
	for _, c := range []string{claim, "email", "preferred_username", "name"} {
		if v, is := p.claims[c].(string); is && v != "" {
			return printable(v)
		}
	}
	return p.subject
}

// seal encrypts an unfinished login, for this process only.
func (g *Guard) seal(u underWay) string {
	text, err := json.Marshal(u)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(g.aead().Seal(nil, nil, text, nil))
}

func (g *Guard) unseal(value string, u *underWay) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return false
	}
	text, err := g.aead().Open(nil, nil, sealed, nil)
	return err == nil && json.Unmarshal(text, u) == nil && u.State != ""
}

func (g *Guard) aead() cipher.AEAD {
	block, err := aes.NewCipher(g.secret)
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}
