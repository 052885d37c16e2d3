package datapower

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// states are the words that gateways have for quiesce states: the tokens of the status class, the empty one included, and the
// sentences that stand for them in the web interface. A word that is not here is unknown: it must never pass for "back in service".
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

// quiesceState reads the state of a domain. A row that does not tell it leaves it unknown.
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

// report reads the state of a target from the domains: of the one, or of all but default, which never goes down. ok is false if
// the domain is not listed. A device that lists no domain but default says nothing about those that it has, so it is unknown.
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

// maxDetails bounds what is said of one reading.
const maxDetails = 3

func summary(details []string) string {
	if more := len(details) - maxDetails; more > 0 {
		details = append(details[:maxDetails:maxDetails], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(details, "; ")
}
