// Package servers runs the real servers that dprun is tested against. Each listens on a
// free port of the loopback interface and has its own keys and directories.
//
// [Packaged] servers come from Debian's packages and are part of every test run.
// [Built] servers are compiled or come from npm; `make test-servers` runs them.
//
// The results are in results/results.json. docs/servers.md is generated from it.
package servers
