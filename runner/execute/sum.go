package execute

import (
	"context"
	"os"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// slowest is how many bytes a second a destination gives at least: one that
// gives less is taken for hung.
const slowest = 256 << 10

// readLimit is how long reading so many bytes may take.
func readLimit(size int64) time.Duration {
	return destinationLimit + time.Duration(size/slowest)*time.Second
}

// Sum reads an object that should have size bytes and gives its size and
// SHA-256. A destination that cannot do that alone is made to fetch it to file,
// which is removed again, where staging has room for it.
func (x *Executor) Sum(ctx context.Context, destination, path string, size int64, file string) (*sdk.FetchReport, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	if summer, ok := sdk.As[sdk.Summer](d); ok {
		ctx, cancel := x.limited(ctx, readLimit(size))
		defer cancel()
		r, err := summer.Sum(ctx, path, nil)
		if err != nil {
			return nil, x.clean("", late(ctx, err))
		}
		return r, nil
	}
	budget, err := x.Staging.Budget(0)
	if err != nil {
		return nil, stagingFailure(err)
	}
	if budget.Most < size {
		return nil, failure.New(failure.NoSpace, failure.StagingIO, "read %s: its plugin cannot hash what it keeps, and so %d bytes are to be fetched into staging; %d may be: %s", path, size, budget.Most, budget.Why).
			WithRemedy("make room in the state directory, for example with `dprun runs prune`")
	}
	defer os.Remove(file) //nolint:errcheck // its directory goes
	return x.Fetch(ctx, destination, sdk.FetchRequest{Path: path, File: file}, max(2*size, 1<<20))
}
