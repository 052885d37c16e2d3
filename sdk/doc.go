// Package sdk is what a plugin author imports.
//
// A plugin is a program whose main calls [Serve] with a [Plugin]: the types
// that it offers (sources, destinations, hooks). Each type has a configuration
// struct, from which the schema is derived, and a function that makes a
// configured instance. The interfaces [Source], [Destination] and [Hook] do not
// mention gRPC or protocol buffers; the glue is in sdk/internal/wire and
// sdk/client.
//
// Destination and Hook stay compatible throughout protocol version 1. Source is
// unstable in v1.
package sdk
