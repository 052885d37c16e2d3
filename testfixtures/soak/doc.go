// Package soak lets dprun back up pairs of simulated gateways. At random moments it
// kills and stops dprun, and makes gateways fail and reboot. It judges by what the
// gateways themselves record of their outages: never two members of a pair out of
// service, never more devices than the plan allows, and every device back in service or
// named by `dprun owed`.
//
// Rounds run side by side, each with its own gateways and state directory. In a round,
// several runs of several plans share the state directory. `dprun recover` runs every
// few seconds, as a timer would run it.
package soak
