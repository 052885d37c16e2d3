// Package scenario plays scenarios that are data: a plan, a fleet of simulated
// gateways, steps, and what is expected, in one file each.
//
// A scenario reaches a status code by a real cause only: faults and edits of
// the simulated gateways, servers, plugins that misbehave, signals, and time.
// The runner's clock and the fleet's are moved together, so that a scenario
// that lasts a day is over in a second. A run may also be a dprun process of
// its own, by the wall clock: one that is killed, or whose disk is full.
//
// A file is in txtar form. The text before the first part says what happens.
// After the line "Site:" it lists the gateways with their domains and faults;
// the test's -update writes this list from fleet.hcl. The parts are:
//
//	plan.hcl    what dprun runs; [Site] declares the devices and a destination
//	fleet.hcl   the gateways, as dpsim reads them
//	steps.hcl   servers, and what is run when; without it: dprun apply
//	expect.hcl  exit codes and histories, exact; -update writes them
//
// A history that begins as nearly every one does is written from the last of
// those usual codes: from = "EXECUTION_PRE_CHECKS_STARTED".
//
// Every other part is written beside the plan, executable if it begins with "#!".
package scenario
