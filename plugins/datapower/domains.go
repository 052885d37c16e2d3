package datapower

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	domainEvery = time.Second
	builtLimit  = 3 * time.Minute  // for a new domain to become usable
	goneLimit   = 10 * time.Minute // for a domain to disappear
	savedLimit  = time.Minute      // until a saved configuration is shown as saved

	// madeByDprun begins the comment of a domain that dprun made. Other domains are never
	// removed.
	madeByDprun = "made by dprun"
)

var domainName = regexp.MustCompile(`^[-_a-zA-Z0-9]{1,128}$`)

// Save saves the running configuration of a domain, and checks that no unsaved change is left.
func (s *source) Save(ctx context.Context, t sdk.Target) error {
	const what = "save the configuration"
	if t.Device() {
		return failure.New(failure.Precondition, failure.Unsupported, "%s: only the configuration of a domain can be saved", s.name)
	}
	if _, err := s.domain(ctx, t.Domain, what); err != nil {
		return err
	}
	if err := s.client.SaveConfig(ctx, t.Domain); err != nil {
		return s.failed(err, "%s of domain %s", what, t.Domain)
	}
	return s.until(ctx, savedLimit, func() (bool, error) {
		d, err := s.domain(ctx, t.Domain, what)
		return err == nil && !d.SaveNeeded && d.CurrentCommand == "", err
	}, failure.New(failure.Precondition, failure.DeviceError, "%s: %s: the gateway says that it is done, but domain %s still has unsaved changes", s.name, what, t.Domain).
		WithRemedy("find out whether somebody is working on the domain, and save it in the WebGUI"))
}

// Create makes a domain that keeps its own configuration.
func (s *source) Create(ctx context.Context, t sdk.Target) error {
	const what = "make a domain"
	if !domainName.MatchString(t.Domain) || t.Domain == defaultDomain {
		return failure.New(failure.Precondition, failure.BadConfig, "%s: %s: %q cannot be the name of a new domain", s.name, what, archive.Printable(t.Domain)).WithRemedy("use letters, digits, - and _")
	}
	switch _, err := s.domain(ctx, t.Domain, what); {
	case err == nil:
		return failure.New(failure.Exists, "", "%s: %s: domain %s exists already", s.name, what, t.Domain).WithRemedy("find out whose it is")
	case failure.From(err).Kind != failure.NotFound:
		return err
	}
	if err := s.client.CreateDomain(ctx, t.Domain, madeByDprun+"; it is removed when the drill is over"); err != nil {
		return s.failed(err, "%s %s", what, t.Domain)
	}
	return s.until(ctx, builtLimit, func() (bool, error) {
		d, err := s.domain(ctx, t.Domain, what)
		if err != nil || d.CurrentCommand != "" || quiesceState(*d) != sdk.StateNormal {
			return false, err
		}
		objects, err := s.client.ObjectStatus(ctx, t.Domain)
		return err == nil && told(t.Domain, objects) == nil, err
	}, failure.New(failure.Timeout, failure.DeviceBusy, "%s: %s: domain %s cannot be used %v after the gateway accepted the request", s.name, what, t.Domain, builtLimit))
}

// Drop removes a domain that Create made.
func (s *source) Drop(ctx context.Context, t sdk.Target) error {
	const what = "remove a domain"
	if t.Device() || t.Domain == defaultDomain {
		return failure.New(failure.Precondition, failure.Unsupported, "%s: only a domain that dprun made can be removed", s.name)
	}
	gone := func() (bool, error) {
		_, err := s.domain(ctx, t.Domain, what)
		if err != nil && failure.From(err).Kind == failure.NotFound {
			return true, nil
		}
		return false, err
	}
	if done, err := gone(); done || err != nil {
		return err
	}
	if err := s.ours(ctx, t.Domain, what); err != nil {
		return err
	}
	if err := s.client.DeleteDomain(ctx, t.Domain); err != nil {
		if done, _ := gone(); done { // somebody else was faster, or the answer was lost
			return nil
		}
		return s.failed(err, "%s %s", what, t.Domain)
	}
	return s.until(ctx, goneLimit, gone, failure.New(failure.Timeout, failure.DeviceBusy, "%s: %s: domain %s still exists %v after the gateway accepted the request to remove it", s.name, what, t.Domain, goneLimit).
		WithRemedy("see who is logged in to the domain"))
}

// ours fails unless the domain's comment says that dprun made it.
func (s *source) ours(ctx context.Context, domain, what string) error {
	configs, err := s.client.GetConfig(ctx, defaultDomain, "Domain", domain)
	if err != nil {
		return s.failed(err, "%s: read who made domain %s", what, domain)
	}
	if len(configs) != 1 || !strings.HasPrefix(configs[0].Value("UserSummary"), madeByDprun) {
		return failure.New(failure.Precondition, "", "%s: %s: the comment of domain %s does not say that dprun made it, so dprun leaves it as it is", s.name, what, domain).
			WithRemedy("find out whose it is")
	}
	return nil
}

// until repeats so until it returns true or limit is over. An answer that is lost counts as false; at the end it
// is the error.
func (s *source) until(ctx context.Context, limit time.Duration, so func() (bool, error), not error) error {
	for waited := time.Duration(0); ; waited += domainEvery {
		done, err := so()
		switch {
		case done:
			return nil
		case waited < limit:
		case err != nil:
			return s.wrapped(err)
		default:
			return not
		}
		if stopped := s.pause(ctx, domainEvery); stopped != nil {
			return s.wrapped(errors.Join(stopped, err))
		}
	}
}

// wrapped is the failure of something that was asked for but does not show as
// done.
func (s *source) wrapped(err error) error {
	var e *soma.Error
	if errors.As(err, &e) {
		return s.failed(err, "see what became of it")
	}
	return failure.From(err)
}
