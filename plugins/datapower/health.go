package datapower

import (
	"context"
	"strings"
	"sync"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// services are the classes that receive traffic themselves. Handlers are recognised by the end of their
// class name.
var services = map[string]bool{
	"XMLFirewallService": true, "XSLProxyService": true, "XSLCoprocService": true, "WebAppFW": true, "WebTokenService": true,
	"HTTPService": true, "TCPProxyService": true, "SSLProxyService": true, "MultiProtocolGateway": true, "WSGateway": true,
	"APIGateway": true, "CloudGatewayService": true, "CloudConnectorService": true, "B2BGateway": true, "ISAMReverseProxy": true,
	"APIConnectGatewayService": true,
}

// serving reports whether the objects of a class carry traffic: a service, or a handler that listens, polls or consumes for one.
func serving(class string) bool {
	return services[class] || strings.HasSuffix(class, "ProtocolHandler")
}

// inQuiescence is the event code of an object that was quiesced.
const inQuiescence = "0x0036003d"

// Health reads the objects of a domain with one request. For a device it uses one request for its domains and one
// for each domain except default, which a quiesce does not take down. If r names domains, it reads only these.
func (s *source) Health(ctx context.Context, r sdk.HealthRequest) (*sdk.HealthReport, error) {
	names := []string{r.Target.Domain}
	switch {
	case !r.Target.Device():
	case len(r.Domains) > 0:
		names = r.Domains
	default:
		domains, err := s.client.DomainStatus(ctx)
		if err != nil {
			return nil, s.failed(err, "read which domains there are")
		}
		names = names[:0]
		for _, d := range domains.Domains {
			if d.Name != defaultDomain {
				names = append(names, d.Name)
			}
		}
	}
	read := make([]health, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, inspectParallel)
	for i, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			read[i] = s.domainHealth(ctx, name)
		})
	}
	wg.Wait()
	out := &sdk.HealthReport{}
	for i, h := range read {
		switch {
		case h.failure == nil:
			out.Objects = append(out.Objects, h.objects...)
		case h.lost:
			return nil, h.failure
		default:
			out.Unread = append(out.Unread, sdk.UnreadDomain{Domain: names[i], Failure: h.failure})
		}
	}
	return out, nil
}

// health is the reading of one domain.
type health struct {
	objects []sdk.ObjectHealth
	failure *failure.Error
	lost    bool // there was no answer
}

// domainHealth reads the objects of a domain. Every domain has some, so an answer without any counts as
// unread.
func (s *source) domainHealth(ctx context.Context, domain string) (h health) {
	objects, err := again(func() ([]soma.Object, error) { return s.client.ObjectStatus(ctx, domain) })
	if err == nil {
		err = told(domain, objects)
	}
	if err != nil {
		return health{failure: s.failed(err, "read the objects of domain %s", domain), lost: !answered(err)}
	}
	for _, o := range objects {
		out := sdk.ObjectHealth{
			Domain: domain, Class: o.Class, Name: o.Name, Serving: serving(o.Class), Up: o.Up(), Disabled: o.AdminState == "disabled",
			Quiesced: strings.EqualFold(o.EventCode, inQuiescence),
		}
		if !out.Up {
			out.Detail = o.ErrorCode
		}
		if out.Serving || !out.Up && !out.Disabled {
			h.objects = append(h.objects, out)
		}
	}
	return h
}

// told fails if an answer lacks what it was asked for.
func told(domain string, objects []soma.Object) error {
	text := ""
	if len(objects) == 0 {
		text = "the reply lists no object, but every domain has some"
	}
	for _, o := range objects {
		if o.Class == "" || o.OpState == "" {
			text = "a row of the reply has no class or no operational state"
		}
	}
	if text == "" {
		return nil
	}
	return &soma.Error{Op: "get-status ObjectStatus", Domain: domain, Class: soma.BadReply, Text: text}
}
