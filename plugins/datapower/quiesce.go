package datapower

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Quiesce sends one request. The gateway accepts and works on in the
// background.
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

// Unquiesce sends one request. If the gateway refuses because the target is in
// service, Unquiesce succeeds.
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

// reread reads the state after a refusal, to explain it; nil: it cannot be read.
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

// states maps the words that gateways use for quiesce states: the tokens of the status class, including the empty
// one, and the sentences of the web interface. Any other word is unknown: it must never count as "back in
// service".
var states = map[string]sdk.QuiesceState{
	"":                         sdk.StateNormal,
	"quiesce not in progress":  sdk.StateNormal,
	"unquiesce done":           sdk.StateNormal,
	"quiescing":                sdk.StateQuiescing,
	"stopping new connections": sdk.StateQuiescing,
	"waiting for persistent connections to complete": sdk.StateQuiescing,
	"waiting for services to stop":                   sdk.StateQuiescing,
	"quiesced":                                       sdk.StateQuiesced,
	"unquiescing":                                    sdk.StateUnquiescing,
	"unquiesce started":                              sdk.StateUnquiescing,
	"error":                                          sdk.StateError,
}

// quiesceState returns the state of a domain; unknown: the row does not tell.
func quiesceState(d soma.Domain) sdk.QuiesceState {
	if state, ok := states[strings.ToLower(strings.TrimSpace(d.QuiesceState))]; ok && d.QuiesceTold {
		return state
	}
	return sdk.StateUnknown
}

// distance orders states by their distance from normal.
var distance = map[sdk.QuiesceState]int{
	sdk.StateNormal: 0, sdk.StateUnquiescing: 1, sdk.StateQuiescing: 2, sdk.StateQuiesced: 3, sdk.StateUnknown: 4, sdk.StateError: 5,
}

// report derives the state of a target from the domains: from its own row or, for a device, from all except
// default, which never goes down. ok is false if the domain is not listed. If a device lists only default, its
// state is unknown, because that says nothing about its other domains.
func report(domains *soma.Domains, t sdk.Target) (r sdk.QuiesceReport, ok bool) {
	r = sdk.QuiesceReport{State: sdk.StateNormal, Domains: map[string]sdk.QuiesceState{}}
	var details []string
	for _, d := range domains.Domains {
		if t.Device() && d.Name == defaultDomain || !t.Device() && d.Name != t.Domain {
			continue
		}
		state := quiesceState(d)
		if seen, twice := r.Domains[d.Name]; !twice || distance[state] > distance[seen] {
			r.Domains[d.Name] = state
		}
		if distance[state] > distance[r.State] {
			r.State = state
		}
		switch {
		case state != sdk.StateUnknown:
		case !d.QuiesceTold:
			details = append(details, fmt.Sprintf("the row of domain %s has no QuiesceState", archive.Printable(d.Name)))
		default:
			details = append(details, fmt.Sprintf("the QuiesceState of domain %s is %q, a word that dprun does not know", archive.Printable(d.Name), archive.Printable(d.QuiesceState)))
		}
	}
	if len(r.Domains) == 0 && t.Device() {
		r.State = sdk.StateUnknown
		details = append(details, "DomainStatus lists no domain but default")
	}
	r.Detail = summary(details)
	return r, t.Device() || len(r.Domains) > 0
}

// maxDetails bounds the details of one reading.
const maxDetails = 3

func summary(details []string) string {
	if more := len(details) - maxDetails; more > 0 {
		details = append(details[:maxDetails:maxDetails], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(details, "; ")
}
