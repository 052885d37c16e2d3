// Package proto holds the definition of the plugin protocol,
// dprun/plugin/v1/plugin.proto, and the command that generates its Go code.
package proto

//go:generate ./generate.sh
