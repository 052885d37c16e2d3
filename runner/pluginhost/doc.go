// Package pluginhost finds plugins, starts their processes and hands out
// configured instances of what they offer.
//
// Every plugin runs in a process of its own, one per plugin and [Host], with a
// private directory, a process group, a mutually authenticated gRPC channel
// over a unix socket, and a small environment. A pipe ends it when the host is
// gone, however the host died. Bundled plugins are served by the host's own
// executable; others are files named dprun-plugin-NAME in one directory.
package pluginhost
