// Package wire holds what both ends of the plugin protocol share: the
// handshake, and the forms of failures and values on the wire.
package wire
