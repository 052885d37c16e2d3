package sdk

import (
	"io/fs"
	"strings"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// TempPrefix begins the names of temporary objects at a destination. No
// component of a final name begins with it.
const TempPrefix = ".dprun-"

// CheckPath refuses a path that cannot be the final name of an object: an
// absolute path; one with empty, "." or ".." components; one with backslashes
// or characters that [schema.Steers]; and one that looks temporary. [Serve]
// checks every path with it before a destination sees the path.
func CheckPath(path string) error {
	bad := !fs.ValidPath(path) || path == "." || strings.Contains(path, `\`) ||
		strings.ContainsFunc(path, schema.Steers)
	if !bad {
		for part := range strings.SplitSeq(path, "/") {
			bad = bad || strings.HasPrefix(part, TempPrefix)
		}
	}
	if bad {
		return failure.New(failure.Precondition, failure.BadConfig, "%q is not a path below the destination's directory", path)
	}
	return nil
}

// checkPrefix is CheckPath for a directory, where empty means all.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckPath(prefix)
}
