package datapower

import (
	"context"
	"time"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Quiesce sends one request. The gateway accepts and goes on in the background.
func (s *source) Quiesce(ctx context.Context, t sdk.Target, deviceTimeout time.Duration) error {
	var err error
	switch t.Domain {
	case defaultDomain:
		return failure.New(failure.Precondition, failure.Unsupported, "%s: the default domain cannot be quiesced", s.name)
	case "":
		err = s.client.QuiesceDP(ctx, deviceTimeout)
	default:
		err = s.client.DomainQuiesce(ctx, t.Domain, deviceTimeout)
	}
	if err == nil {
		return nil
	}
	f := s.failed(err, "quiesce %s", describe(t))
	if soma.ClassOf(err) != soma.Result {
		return f
	}
	switch r, there := s.reread(ctx, t); {
	case r == nil:
	case !there:
		f.Kind, f.Reason = failure.NotFound, failure.UnknownDomain
	case r.State == sdk.StateQuiesced || r.State == sdk.StateQuiescing:
		f.Reason = failure.AlreadyQuiesced
	}
	return f
}

// Unquiesce sends one request. A refusal of a target that is in service is none.
func (s *source) Unquiesce(ctx context.Context, t sdk.Target) error {
	var err error
	switch t.Domain {
	case defaultDomain:
		return nil
	case "":
		err = s.client.UnquiesceDP(ctx)
	default:
		err = s.client.DomainUnquiesce(ctx, t.Domain)
	}
	if err == nil {
		return nil
	}
	f := s.failed(err, "unquiesce %s", describe(t))
	if soma.ClassOf(err) == soma.Result {
		switch r, there := s.reread(ctx, t); {
		case r == nil:
		case !there:
			f.Kind, f.Reason = failure.NotFound, failure.UnknownDomain
		case r.State == sdk.StateNormal:
			return nil
		}
	}
	return f
}

// QuiesceState reads the state of a target.
func (s *source) QuiesceState(ctx context.Context, t sdk.Target) (*sdk.QuiesceReport, error) {
	domains, err := s.client.DomainStatus(ctx)
	if err != nil {
		return nil, s.failed(err, "read the quiesce state of %s", describe(t))
	}
	r, ok := report(domains, t)
	if !ok {
		return nil, s.noDomain(t)
	}
	return &r, nil
}

// reread reads the state after a refusal, to tell why; nil if it cannot be read.
func (s *source) reread(ctx context.Context, t sdk.Target) (*sdk.QuiesceReport, bool) {
	domains, err := s.client.DomainStatus(ctx)
	if err != nil {
		return nil, false
	}
	r, ok := report(domains, t)
	return &r, ok
}

func (s *source) noDomain(t sdk.Target) *failure.Error {
	return failure.New(failure.NotFound, failure.UnknownDomain, "%s: there is no domain %q: DomainStatus does not list it", s.name, t.Domain).
		WithRemedy("check the domain's name, and whether it was removed")
}

func describe(t sdk.Target) string {
	if t.Device() {
		return "the device"
	}
	return "domain " + t.Domain
}
