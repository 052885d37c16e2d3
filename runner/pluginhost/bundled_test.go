package pluginhost

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/failure"
)

func TestWithoutProcTheCauseIsNamedAndNothingIsTriedAgain(t *testing.T) {
	t.Parallel()
	_, err := os.Lstat("/proc/nonexistent/exe")
	f, ok := errors.AsType[*failure.Error](noSelf(err))
	if !ok || f.Kind.Retryable() || !strings.Contains(f.Error(), "start its own program again") || !strings.HasSuffix(f.Error(), "mount /proc, also in a container or a chroot") {
		t.Errorf("got %v", f)
	}
	if path, err := Self(); err != nil || path == "" {
		t.Errorf("%q, %v", path, err)
	}
}
