// Package wire holds what both ends of the plugin protocol share: the
// handshake, and how failures and values are written on the wire.
package wire
