// Package dpsim simulates a fleet of IBM DataPower gateways for tests: real TLS
// listeners that speak the XML management interface, states that change over simulated
// time, archives with correct checksums, and faults on demand.
//
// Tests start a fleet in their own process (Start) or run the program cmd/dpsim. The
// same control interface steers both.
package dpsim
