// Package status is the catalogue of status codes: the name, origin and meaning of each
// code, and what to do about it. It decides nothing. The machines of package lifecycle
// choose among its codes.
package status
