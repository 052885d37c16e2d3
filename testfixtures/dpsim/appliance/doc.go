// Package appliance is the state of one simulated gateway: its domains, files,
// certificates, quiesce states and counters. It knows nothing of the wire.
//
// What takes time on a gateway takes simulated time here: a change stores when
// it will be over, and whoever looks compares that with the clock.
package appliance
