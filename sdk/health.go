package sdk

import (
	"context"

	"github.com/dprun/dprun/sdk/failure"
)

// Healther is a source that can tell which objects of a target are up.
//
// Unstable in protocol version 1.
type Healther interface {
	// Health reads the objects of the target, one domain of a device after the
	// other. It changes nothing on the device, and leaves out the domains that
	// a quiesce does not take down. If the device refuses to list a domain's
	// objects, lists none or answers badly, the report has the domain under
	// Unread and none of its objects. Health fails if the device does not
	// answer or does not list the target.
	Health(ctx context.Context, r HealthRequest) (*HealthReport, error)
}

// HealthRequest asks for the objects of a target.
type HealthRequest struct {
	Target Target // the domain, or the whole device
	// Domains limits the reading of a device to these domains; empty: all of
	// them.
	Domains []string
}

// HealthReport is a reading of objects. It holds every object that carries
// traffic. Of the others it holds only those that should be up and are not,
// because a device has tens of thousands of objects.
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
	// Up is true only if the device says that the object is up now, not that it
	// is coming up.
	Up bool `json:"up,omitempty"`
	// Disabled objects were switched off by an administrator.
	Disabled bool `json:"disabled,omitempty"`
	// Quiesced is true if the device says that the object is quiesced.
	Quiesced bool `json:"quiesced,omitempty"`
	// Detail is the device's reason why the object is not up.
	Detail string `json:"detail,omitempty"`
}

// UnreadDomain is a domain whose objects could not be read.
type UnreadDomain struct {
	Domain  string         `json:"domain"`  // its name
	Failure *failure.Error `json:"failure"` // why
}
