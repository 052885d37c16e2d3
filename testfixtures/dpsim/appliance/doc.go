// Package appliance is the state of one simulated gateway: its domains, files,
// certificates, quiesce states and counters. It knows nothing of the wire.
//
// Work that takes time on a gateway takes simulated time here. A change records when it
// will be over, and readers compare that with the clock.
package appliance
