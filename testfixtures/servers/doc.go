// Package servers runs the real servers that dprun is tested against, each on
// the loopback interface at a free port, with its own keys and directories.
//
// [Packaged] come from Debian's packages and are part of every test run.
// [Built] are compiled or come from npm; `make test-servers` runs them.
//
// What is seen of each stands in results/results.json, from which
// docs/servers.md is written.
package servers
