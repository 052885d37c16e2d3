// Package dpsim stands for a fleet of IBM DataPower gateways in tests: real
// TLS listeners that speak the XML management interface, states that change
// over simulated time, archives with correct checksums, and faults on demand.
//
// Tests either start a fleet in their own process (Start) or run the program
// cmd/dpsim; both are steered through the same control interface.
package dpsim
