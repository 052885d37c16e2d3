package archive_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// growing is an archive of which only a part is there yet. It counts the bytes that are read.
type growing struct {
	b     []byte
	there atomic.Int64
	read  atomic.Int64
}

func (g *growing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > g.there.Load() {
		return 0, io.EOF
	}
	g.read.Add(int64(len(p)))
	return bytes.NewReader(g.b).ReadAt(p, off)
}

// verifyAhead verifies an archive that grows in pieces and is inflated meanwhile. It is whole when as many bytes were read ahead as are
// wanted, or after a while.
func verifyAhead(t *testing.T, v archive.Verifier, b []byte, piece int, wanted int64, while time.Duration) (r *archive.Report, ahead, after int64) {
	t.Helper()
	g := &growing{b: b}
	a := v.Ahead(context.Background(), g)
	for n := 0; n < len(b); {
		n = min(n+piece, len(b))
		g.there.Store(int64(n))
		a.Written(int64(n))
	}
	for end := time.Now().Add(while); g.read.Load() < wanted && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	v = a.Stop(v)
	ahead = g.read.Load()
	r, err := v.Verify(context.Background(), g, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return r, ahead, g.read.Load() - ahead
}

// large are files whose entries are worth remembering.
func large(n int) (files []file) {
	for i := range n {
		files = append(files, file{name: fmt.Sprintf("local/f%d", i), data: prose(i, 90_000)})
	}
	return files
}

// stored makes a backup: archives of domains, stored, in one with a list of them.
func stored(t *testing.T, domains map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	add := func(name string, data []byte) {
		h := &zip.FileHeader{Name: name, CRC32: crc32.ChecksumIEEE(data), UncompressedSize64: uint64(len(data)), CompressedSize64: uint64(len(data))}
		need.Value(need.Value(w.CreateRaw(h))(t).Write(data))(t)
	}
	list := `<datapower-configuration version="3">` + fmt.Sprintf(details, "") + `<domains>`
	for name, b := range domains {
		add(name+".zip", b)
		list += `<domain name="` + name + `"/>`
	}
	add("export.xml", []byte(list+`</domains></datapower-configuration>`))
	need.Done(t, w.Close())
	return out.Bytes()
}

func TestWhatIsInflatedWhileAnArchiveIsWrittenIsNotInflatedAgain(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"export": export(t, "d", "", large(60)...),
		"backup": stored(t, map[string][]byte{"a": export(t, "a", "", large(30)...), "b": export(t, "b", "", large(60)[30:]...)}),
	} {
		if len(b) < 600_000 {
			t.Fatalf("%s: %d bytes are read at once", name, len(b))
		}
		// Ahead, an entry is read for its key and once more to inflate it; afterwards for its key alone.
		size := int64(len(b))
		got, _, after := verifyAhead(t, archive.Verifier{Workers: 2, Memo: archive.NewMemo()}, b, 100_000, size*19/10, 20*time.Second)
		if most := size * 5 / 4; name == "export" && after > most {
			t.Errorf("%s: %d of %d bytes were read when it was whole, at most %d are wanted", name, after, size, most)
		}
		alone := &growing{b: b}
		alone.there.Store(size)
		need.Value(archive.Verifier{Workers: 2, Memo: archive.NewMemo()}.Verify(t.Context(), alone, size))(t)
		if before := alone.read.Load(); before-after < size*3/4 {
			t.Errorf("%s: inflating ahead saved %d of %d bytes", name, before-after, size)
		}
		want := verify(t, b)
		if diff := cmp.Diff(want, got); diff != "" || !got.Whole() {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestInflatingAheadNeverHidesAFault(t *testing.T) {
	t.Parallel()
	good := export(t, "d", "", large(8)...)
	for at := 0; at < len(good); at += len(good)/150 + 1 {
		for name, bad := range map[string][]byte{"changed": bytes.Clone(good), "cut": bytes.Clone(good[:at])} {
			if name == "changed" {
				bad[at] ^= 0x10
			}
			want := verify(t, bad)
			got, _, _ := verifyAhead(t, archive.Verifier{Workers: 2}, bad, 30_000, int64(2*at), 3*time.Millisecond)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s at %d (-want +got):\n%s", name, at, diff)
			}
		}
	}
}
