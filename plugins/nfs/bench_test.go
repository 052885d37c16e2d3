package nfs

import (
	"fmt"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
)

// BenchmarkStore stores one large file, and many small ones by four callers.
func BenchmarkStore(b *testing.B) {
	for _, verify := range []sdk.Verify{sdk.VerifySent, sdk.VerifyReadBack} {
		b.Run("large/"+string(verify), func(b *testing.B) {
			d := configured(b, exportConfig(ganesha.Start(b, ganesha.WithSize(2<<30))))
			r := staged(b, "x", bytesOf(500e6, 1), verify)
			b.SetBytes(r.Size)
			for b.Loop() {
				need.Value(d.Store(b.Context(), r, nil))(b)
				need.Done(b, d.Delete(b.Context(), r.Path))
			}
		})
		b.Run("small/"+string(verify), func(b *testing.B) {
			d := configured(b, exportConfig(ganesha.Start(b, ganesha.WithSize(2<<30))))
			r := staged(b, "", bytesOf(2e6, 1), verify)
			b.SetBytes(200 * r.Size)
			for round := 0; b.Loop(); round++ {
				storeMany(b, d, r, round)
			}
		})
	}
}

// storeMany stores 200 copies.
func storeMany(b *testing.B, d *destination, r sdk.StoreRequest, round int) {
	b.Helper()
	const callers, each = 4, 50
	errs := make(chan error, callers)
	for c := range callers {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				one := r
				one.Path = fmt.Sprintf("r%d/gw%d/%d.zip", round, c, i)
				if _, err = d.Store(b.Context(), one, nil); err == nil {
					err = d.Delete(b.Context(), one.Path)
				}
			}
			errs <- err
		}()
	}
	for range callers {
		need.Done(b, <-errs)
	}
}
