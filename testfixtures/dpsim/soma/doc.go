// Package soma is the XML management interface of a simulated gateway: SOAP
// over HTTPS with Basic authentication, as the appliance words it.
//
// It does not use net/http's server: the appliance's reason phrase is "Good",
// and faults need the connection itself, to leave a handshake or a body half
// done.
package soma
