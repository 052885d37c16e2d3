// Package soak lets dprun back up pairs of simulated gateways while it is killed
// and stopped, and gateways fail and reboot, all at random moments, and judges by
// what the gateways themselves know of their outages: never two members of a pair
// out of service, never more devices than the plan allows, and every device back
// in service or named by `dprun owed`.
//
// Rounds run side by side, each with gateways and a state directory of its own.
// In a round several runs of several plans share the state directory; `dprun
// recover` runs every few seconds, as a timer would have it.
package soak
