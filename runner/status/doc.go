// Package status is the catalogue of status codes: what each is called, where
// it comes from, what it means, and what somebody does about it. It decides
// nothing; the machines of package lifecycle choose among its codes.
package status
