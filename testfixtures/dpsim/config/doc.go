// Package config is the configuration of a simulated domain: objects with their
// properties and the references between them. It reads export packages, applies them as
// an import does, computes operational states, and writes the list that exports carry.
// It is pure: its caller answers questions about files and ports.
package config
