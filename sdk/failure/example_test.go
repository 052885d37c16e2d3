package failure_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dprun/dprun/sdk/failure"
)

// The kind says whether it is tried again, the text what was attempted, on what
// and why it failed, the remedy what to do.
func ExampleNew() {
	err := failure.New(failure.Denied, failure.NoAccess, "write /backups/a.zip: %w", fs.ErrPermission).WithRemedy("give dprun's user the right to write there")
	fmt.Println(err.Kind, err.Reason)
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrPermission))
	// Output:
	// denied denied
	// write /backups/a.zip: permission denied; give dprun's user the right to write there
	// true
}

// What ends with its context is a failure of the context's kind.
func ExampleFrom() {
	fmt.Println(failure.From(fmt.Errorf("list /backups: %w", context.DeadlineExceeded)).Kind)
	// Output: timeout
}
