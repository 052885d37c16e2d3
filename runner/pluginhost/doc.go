// Package pluginhost finds plugins, starts their processes and hands out configured
// instances of what they offer.
//
// Each plugin of a [Host] runs in a process of its own. The process has a private
// directory, a process group, a small environment, and a mutually authenticated gRPC
// channel over a unix socket. A pipe ends it when the host is gone, however the host
// died. The host's own executable serves bundled plugins. Other plugins are files named
// dprun-plugin-NAME in one directory.
package pluginhost
