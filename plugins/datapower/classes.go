package datapower

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dprun/dprun/plugins/datapower/soma"
)

// classes finds out which classes the gateway's firmware does not know. It is used for one
// short series of reads only.
type classes struct {
	gateway *soma.Client

	mu     sync.Mutex
	absent map[string]bool // by answer: whether it stands for an unknown class
	worked map[string]bool // kinds of reads for which the gateway has returned rows
}

// newClasses makes a classes for a gateway that has just answered a read of a status
// class.
func newClasses(c *soma.Client) *classes {
	return &classes{gateway: c, absent: map[string]bool{}, worked: map[string]bool{"get-status": true}}
}

// works records that the gateway has answered a read of this kind.
func (c *classes) works(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.worked[kind] = true
}

// known drops an error that means that the gateway does not know a class: it then has no object of that class.
// The error must equal the answer for a class that does not exist. An answer that names no class could be the
// answer to everything, so it counts only if the gateway has answered another read of the same kind.
func (c *classes) known(ctx context.Context, err error) error {
	var e *soma.Error
	if !errors.As(err, &e) {
		return err
	}
	kind, class, _ := strings.Cut(e.Op, " ")
	answer := kind + ": " + strings.NewReplacer(class, "CLASS", "'"+e.Domain+"'", "'DOMAIN'").Replace(e.Text)
	c.mu.Lock()
	defer c.mu.Unlock()
	absent, asked := c.absent[answer]
	if !asked {
		absent = (c.worked[kind] || strings.Contains(e.Text, class)) && c.gateway.KnowsNot(ctx, err)
		c.absent[answer] = absent
	}
	if absent {
		return nil
	}
	return err
}

// rowsOf reads a class. It returns none if the gateway does not know the class.
func rowsOf[T any](ctx context.Context, c *classes, read func(context.Context) ([]T, error)) ([]T, error) {
	rows, err := again(func() ([]T, error) { return read(ctx) })
	return rows, c.known(ctx, err)
}

// objects returns a function that reads the objects of a configuration class in
// a domain.
func (c *classes) objects(domain, class string) func(context.Context) ([]*soma.Node, error) {
	return func(ctx context.Context) ([]*soma.Node, error) {
		nodes, err := c.gateway.GetConfig(ctx, domain, class, "")
		if len(nodes) > 0 {
			c.works("get-config")
		}
		return nodes, err
	}
}

// apiConnect reads whether API Connect manages a domain. Such a domain has API
// Connect's service object.
func (c *classes) apiConnect(ctx context.Context, domain string) (bool, error) {
	switch {
	case domain == defaultDomain:
		return false, nil
	case strings.HasPrefix(domain, "APIMgmt_"): // names given by version 5
		return true, nil
	}
	nodes, err := rowsOf(ctx, c, c.objects(domain, "APIConnectGatewayService"))
	return len(nodes) > 0, err
}

// errDecided ends a reading of domains once one of them decides.
var errDecided = errors.New("decided")

// overDomains reads something of every domain, a few at a time. It ends once one value decides for all, or with
// the first error.
func overDomains[T any](ctx context.Context, domains []string, read func(context.Context, string) (T, error), decides func(T) bool) ([]T, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := make([]T, len(domains))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(inspectParallel, len(domains)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(domains) {
					return
				}
				v, err := read(ctx, domains[i])
				if err != nil {
					stop(err)
					return
				}
				if out[i] = v; decides(v) {
					stop(errDecided)
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, errDecided) {
		return nil, err
	}
	return out, nil
}
