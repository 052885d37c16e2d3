package sdk

import (
	"context"

	"github.com/dprun/dprun/sdk/failure"
)

// Healther is a source that tells which objects of a target are up.
//
// Unstable in protocol version 1.
type Healther interface {
	// Health reads the objects of the target, a device's domain by domain. It
	// leaves out the domains that a quiesce does not take down, and changes
	// nothing on the device. A domain whose objects cannot be read is unread in
	// the report, whether the device refuses it, tells nothing or tells it
	// badly; no object of it is in the report then. It fails when the device
	// does not answer, or does not list the target.
	Health(ctx context.Context, r HealthRequest) (*HealthReport, error)
}

// HealthRequest asks for the objects of a target.
type HealthRequest struct {
	Target Target // the domain, or the whole device
	// Domains are those of a device that are read; empty: every one.
	Domains []string
}

// HealthReport is a reading of objects. It holds every object that carries
// traffic, and of the others those that should be up and are not: a device has
// tens of thousands that say nothing.
type HealthReport struct {
	Objects []ObjectHealth `json:"objects,omitempty"` // in no particular order
	Unread  []UnreadDomain `json:"unread,omitempty"`  // domains of which nothing is known
}

// ObjectHealth is the state of a configured object.
type ObjectHealth struct {
	Domain string `json:"domain"` // where it is configured
	Class  string `json:"class"`  // its type, as the device names it
	Name   string `json:"name"`   // unique within domain and class
	// Serving objects carry traffic: services and their front-side handlers.
	Serving bool `json:"serving,omitempty"`
	// Up is true only if the device says so: not of an object that is about to be.
	Up bool `json:"up,omitempty"`
	// Disabled objects were switched off by an administrator.
	Disabled bool `json:"disabled,omitempty"`
	// Quiesced is true of an object that the device says is quiesced.
	Quiesced bool `json:"quiesced,omitempty"`
	// Detail is why it is not up, as the device says it.
	Detail string `json:"detail,omitempty"`
}

// UnreadDomain is a domain whose objects could not be read.
type UnreadDomain struct {
	Domain  string         `json:"domain"`  // its name
	Failure *failure.Error `json:"failure"` // why
}
