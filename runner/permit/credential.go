package permit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

const (
	// lockedOut is how long a refused credential is not used. Appliances lock an
	// account after a few failed logins, for a time or until an administrator unlocks
	// it.
	lockedOut = time.Hour
	// lookAgain is how long an answer of the journal about a credential stays valid
	// while logins with the credential succeed.
	lookAgain = 5 * time.Second
)

// Credentials keeps accounts from being locked out, across all runs of a state
// directory: a credential that one device has refused is not used for any device for an
// hour. It implements [execute.Credentials].
//
// A credential is identified by a keyed hash of the login data. The hash reveals
// nothing about the data, and a changed password has another hash.
type Credentials struct {
	Journal *journal.Journal
	Clock   clock.Clock
	Key     []byte
	// Schema returns the configuration schema of a source type.
	Schema func(ctx context.Context, typ string) (schema.Block, error)

	mu    sync.Mutex
	gates map[string]*gate
}

var _ execute.Credentials = (*Credentials)(nil)

// gate is what a run knows of one credential.
type gate struct {
	probe chan struct{} // held while somebody tries whether the credential is accepted

	mu       sync.Mutex
	accepted bool
	refused  *journal.Lockout
	looked   time.Time
}

// Of returns the identifier of the credential that logs in to an endpoint, made of its
// user name and its sensitive arguments; empty: nothing logs in.
func (c *Credentials) Of(ctx context.Context, e execute.Endpoint) (string, error) {
	block, err := c.Schema(ctx, e.Type)
	if err != nil {
		return "", err
	}
	sum, secret := hmac.New(sha256.New, c.Key), false
	for _, a := range block.Attributes {
		if !a.Sensitive && a.Name != "username" || !e.Config.Type().HasAttribute(a.Name) {
			continue
		}
		v := e.Config.GetAttr(a.Name)
		if !v.IsWhollyKnown() || v.IsNull() {
			continue
		}
		text, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
		if err != nil {
			return "", fmt.Errorf("name the credential: %w", err)
		}
		_, _ = fmt.Fprintf(sum, "%s\x00%d\x00", a.Name, len(text))
		_, _ = sum.Write(text)
		secret = secret || a.Sensitive
	}
	if !secret {
		return "", nil
	}
	_, _ = io.WriteString(sum, e.Type)
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (c *Credentials) gate(credential string) *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[credential]
	if g == nil {
		if c.gates == nil {
			c.gates = map[string]*gate{}
		}
		g = &gate{probe: make(chan struct{}, 1)}
		c.gates[credential] = g
	}
	return g
}

// Use makes a call that logs in to a device. Before a login with the credential was
// accepted, it lets only one call through at a time. After one was refused, it lets no
// call through.
func (c *Credentials) Use(ctx context.Context, credential, device string, call func() error) error {
	g := c.gate(credential)
	if err := c.refusal(ctx, g, credential, device); err != nil {
		return err
	}
	if !g.open() {
		select {
		case g.probe <- struct{}{}:
			defer func() { <-g.probe }()
		case <-ctx.Done():
			return failure.From(ctx.Err())
		}
		if err := c.refusal(ctx, g, credential, device); err != nil { // the call before may have been refused
			return err
		}
	}
	err := call()
	switch f := failure.From(err); {
	case err == nil:
		g.accept()
	case f.Reason == failure.BadCredentials:
		return c.refuse(ctx, g, credential, device, err)
	case loggedIn(f):
		g.accept()
	}
	return err
}

// loggedIn reports whether a failure proves that the login succeeded, because devices
// report it only after one. A failure that may have happened before the login proves
// nothing.
func loggedIn(f *failure.Error) bool {
	switch f.Reason {
	case "", failure.BadCertificate, failure.BadReply, failure.BadConfig, failure.Crashed, failure.Protocol:
		return false
	}
	switch f.Kind {
	case failure.Denied, failure.NotFound, failure.Exists, failure.Precondition:
		return true
	}
	return false
}

func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accepted
}

func (g *gate) accept() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accepted = true
}

// refusal returns the reason why a credential must not be used now.
func (c *Credentials) refusal(ctx context.Context, g *gate, credential, device string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := c.Clock.Now()
	if g.refused == nil && (!g.accepted || now.Sub(g.looked) > lookAgain) {
		l, err := c.Journal.LockedOut(ctx, credential, now)
		if err != nil {
			return failure.From(err)
		}
		g.refused, g.looked = l, now
	}
	l := g.refused
	if l == nil || !l.Until.After(now) {
		g.refused = nil
		return nil
	}
	return failure.New(failure.Denied, failure.BadCredentials, "device %s was not contacted: %s refused the same user and password at %s, and they are not used again before %s, so that the account is not locked",
		device, l.Device, l.Since.Format(time.RFC3339), l.Until.Format(time.RFC3339)).
		WithRemedy("correct the password where the plan reads it: a changed one is used at once; or, if it is right and the account is not locked, dprun recover --ack %s", l.Device)
}

// refuse records that a device has refused the credential.
func (c *Credentials) refuse(ctx context.Context, g *gate, credential, device string, refusal error) error {
	now := c.Clock.Now()
	l := journal.Lockout{Credential: credential, Device: device, Since: now, Until: now.Add(lockedOut)}
	g.mu.Lock()
	g.refused, g.accepted = &l, false
	g.mu.Unlock()
	if err := c.Journal.LockOut(context.WithoutCancel(ctx), l); err != nil {
		return failure.New(failure.Denied, failure.BadCredentials, "%w; and other runs do not know of it: %w", refusal, err)
	}
	return refusal
}
