// Package scenario plays scenarios. A scenario is data in one file: a plan, a fleet of
// simulated gateways, steps, and the expected result.
//
// A scenario reaches a status code only through a real cause: faults and edits of the
// simulated gateways, servers, plugins that misbehave, signals, and time. The clocks of
// the runner and of the fleet move together, so that a scenario that lasts a day takes
// a second. A run can also be a dprun process of its own that uses the wall clock, for
// example one that is killed or whose disk is full.
//
// A file is in txtar form. The text before the first part says what happens. After the
// line "Site:" it lists the gateways with their domains and faults; the test's -update
// writes this list from fleet.hcl. The parts are:
//
//	plan.hcl    what dprun runs; [Site] declares the devices and a destination
//	fleet.hcl   the gateways, as dpsim reads them
//	steps.hcl   servers, and what is run when; without it: dprun apply
//	expect.hcl  exit codes and histories, exact; -update writes them
//
// Nearly every history begins with the same codes. Such a history is written from the
// last of them on: from = "EXECUTION_PRE_CHECKS_STARTED".
//
// Every other part is written to a file beside the plan. The file is executable if it
// begins with "#!".
package scenario
