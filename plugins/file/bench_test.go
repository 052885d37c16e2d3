package file_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/testfixtures/need"
)

// BenchmarkStore stores 256 MiB, durably.
func BenchmarkStore(b *testing.B) {
	content := make([]byte, 256<<20)
	_, _ = rand.Read(content)
	sum := sha256.Sum256(content)
	src := filepath.Join(b.TempDir(), "source")
	need.Done(b, os.WriteFile(src, content, 0o600))
	p, stop, err := conformance.Serve(file.Plugin())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	d, err := p.ConfigureDestination(b.Context(), "file", cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(b.TempDir()), "create_directory": cty.False, "require_mode": cty.False}))
	if err != nil {
		b.Fatal(err)
	}
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		b.Run(string(verify), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for i := range b.N {
				r := sdk.StoreRequest{Source: src, Path: fmt.Sprint(verify, i), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Verify: verify}
				need.Value(d.Store(b.Context(), r, nil))(b)
				need.Done(b, d.(sdk.Deleter).Delete(b.Context(), r.Path))
			}
		})
	}
}

// BenchmarkSum reads two files of 256 MiB at once for their hashes.
func BenchmarkSum(b *testing.B) {
	const size = 256 << 20
	dir := b.TempDir()
	content := make([]byte, size)
	for _, name := range []string{"a", "b"} {
		_, _ = rand.Read(content)
		need.Done(b, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	p, stop, err := conformance.Serve(file.Plugin())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	d, err := p.ConfigureDestination(b.Context(), "file", cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(dir), "create_directory": cty.False, "require_mode": cty.False}))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(2 * size)
	for b.Loop() {
		var both sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			both.Go(func() { need.Value(d.(sdk.Summer).Sum(b.Context(), name, nil))(b) })
		}
		both.Wait()
	}
}
