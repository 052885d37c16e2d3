package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/sdk/failure"
)

// calls says of each call of a destination or script what it is for. What may
// be wrong with it is read from the SDK.
var calls = []struct {
	call                      failure.Call
	name, when, gets, answers string
}{
	{failure.CallCheckDestination, "Check", "before a run touches a gateway, and in `dprun plan` and `dprun check`: once for each destination", "nothing",
		"`DestinationReport`: free and total bytes, location, warnings"},
	{failure.CallStore, "Store", "for every file of a set, and then for its manifest; again after `Unavailable` and `Timeout`", "`StoreRequest`: a local file with its size and SHA-256, the final name, how to verify, the owner",
		"`StoreReport`: location, size, hash, what was verified, whether it is durable, has its mode, was there before"},
	{failure.CallSweep, "Sweep", "where a store did not end well: before it is repeated, at the end of the run, in the next run; and for old ones in `dprun sweep`", "`SweepRequest`: directory, owner, age",
		"`SweepReport`: what was removed"},
	{failure.CallList, "List", "to find sets that are stored", "a directory", "`[]Object`: name, size, time"},
	{failure.CallList, "Leftovers", "to tell what broken stores have left", "a directory", "`[]Object`"},
	{failure.CallFetch, "Fetch", "to look at a set, or to give it back", "`FetchRequest`: name, and a local file to make", "`FetchReport`: size and hash"},
	{failure.CallList, "Leftovers", "to show what broken stores have left, in `dprun backups check`", "a directory", "`[]Object`"},
	{failure.CallSum, "Sum", "to check a set without a copy of it here; else it is fetched", "a name", "`FetchReport`"},
	{failure.CallDelete, "Delete", "to remove a set that is too old", "a name", "nothing"},
	{failure.CallRun, "Run", "where a plan says", "`RunRequest`: JSON, environment, arguments", "`RunReport`: exit code, outputs, the end of what it printed"},
}

// callsTable lists the calls, and the reasons that a failure of each may give.
func callsTable(b *bytes.Buffer) {
	host := []failure.Reason{failure.Crashed, failure.Protocol} // it finds these
	common := slices.DeleteFunc(failure.Reasons(failure.CallSweep), func(r failure.Reason) bool { return slices.Contains(host, r) })
	words := func(reasons []failure.Reason) string {
		var out []string
		for _, r := range reasons {
			if r != "" {
				out = append(out, "`"+string(r)+"`")
			}
		}
		return strings.Join(out, ", ")
	}
	fmt.Fprintf(b, "| Call | dprun makes it | It gets | It answers | Reasons of its failures, beside those below |\n|---|---|---|---|---|\n")
	for _, a := range calls {
		own := slices.DeleteFunc(failure.Reasons(a.call), func(r failure.Reason) bool { return slices.Contains(common, r) || slices.Contains(host, r) })
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", a.name, a.when, a.gets, a.answers, words(own))
	}
	fmt.Fprintf(b, "\nEvery call of a destination may give %s, or none; a script `bad_config`, or none.\n", words(common))
}
