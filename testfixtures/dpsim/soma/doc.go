// Package soma is the XML management interface of a simulated gateway: SOAP over HTTPS
// with Basic authentication, in the appliance's own words.
//
// It does not use net/http's server. The appliance's reason phrase is "Good", and
// faults need the connection itself, to leave a handshake or a body unfinished.
package soma
