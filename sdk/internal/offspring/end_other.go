//go:build !linux

package offspring

// End does nothing: there is no way to tell whose a process is.
func End(string) {}
