package archive_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// packed is an entry that is compressed already.
type packed struct {
	name, stream, plain string
}

// packStreams makes an export of entries that are compressed already, and hands its list in the right hashes.
func packStreams(t testing.TB, entries ...packed) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	var files []file
	for _, e := range entries {
		files = append(files, file{name: e.name, data: e.plain})
	}
	list := exportList("d", files, "")
	entries = append(entries, packed{list.name, string(deflated(t, 6, list.data)), list.data})
	for _, e := range entries {
		part, err := w.CreateRaw(&zip.FileHeader{Name: e.name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(e.plain)),
			CompressedSize64: uint64(len(e.stream)), UncompressedSize64: uint64(len(e.plain))})
		if err != nil {
			t.Fatal(err)
		}
		need.Value(io.WriteString(part, e.stream))(t)
	}
	need.Done(t, w.Close())
	return out.Bytes()
}

func deflated(t testing.TB, level int, pieces ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for i, p := range pieces {
		w := need.Value(flate.NewWriter(&out, level))(t)
		need.Value(io.WriteString(w, p))(t)
		end := w.Flush // to the boundary of a byte, and without the mark of the last block
		if i == len(pieces)-1 {
			end = w.Close
		}
		need.Done(t, end())
	}
	return out.Bytes()
}

// mixed makes a stream of blocks of every kind, stored, fixed and dynamic: pieces of text, each compressed in another way.
func mixed(t testing.TB, r *rand.Rand, lengths ...int) (stream, plain string) {
	t.Helper()
	var out bytes.Buffer
	var all strings.Builder
	for i, n := range lengths {
		piece := make([]byte, n)
		few := 1 + r.IntN(255)
		for k := range piece {
			piece[k] = byte(r.IntN(few))
		}
		all.Write(piece)
		b := deflated(t, []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9}[r.IntN(5)], string(piece), "")
		if i < len(lengths)-1 {
			b = b[:len(b)-5] // the last block, which is empty and stored
		}
		out.Write(b)
	}
	return out.String(), all.String()
}

// lengthsAround gives pieces that end right before, at and right after powers of two, where decoders hand on what they have.
func lengthsAround(r *rand.Rand, atLeast int) []int {
	var out []int
	for total := 0; total < atLeast; {
		n := 1 + r.IntN(70_000)
		if next := (total + 32<<10) &^ (32<<10 - 1); r.IntN(2) == 0 {
			n = max(1, next-total+r.IntN(7)-3)
		}
		out = append(out, n)
		total += n
	}
	return out
}

func TestStreamsOfMixedBlocksAreDecodedAsTheStandardLibraryDoes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 40 {
		lengths := lengthsAround(r, 300<<10)
		stream, plain := mixed(t, r, lengths...)
		want, err := io.ReadAll(flate.NewReader(strings.NewReader(stream)))
		if err != nil || string(want) != plain {
			t.Fatalf("the standard library decodes %d bytes of %d: %v", len(want), len(plain), err)
		}
		if got := verify(t, packStreams(t, packed{"local/a", stream, plain})); !got.Whole() || got.Hashed != 1 {
			t.Fatalf("round %d, pieces of %v: %v", round, lengths, got.Findings)
		}
	}
}

func TestOneChangedBitOfAStreamIsFound(t *testing.T) {
	t.Parallel()
	stream, plain := mixed(t, rand.New(rand.NewPCG(5, 6)), 300, 200, 100)
	for i := range 8 * len(stream) {
		b := []byte(stream)
		b[i/8] ^= 1 << (i % 8)
		got, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
		if err == nil && string(got) == plain {
			continue // a bit that no decoder looks at
		}
		if verify(t, packStreams(t, packed{"local/a", string(b), plain})).Whole() {
			t.Fatalf("bit %d: whole", i)
		}
	}
}

func TestAStreamThatIsNotWholeIsAFindingOfItsEntry(t *testing.T) {
	t.Parallel()
	plain := prose(3, 50_000)
	whole := string(deflated(t, 6, plain))
	for name, stream := range map[string]string{"cut": whole[:len(whole)/2], "cut by a byte": whole[:len(whole)-1], "followed by a byte": whole + "x", "reserved block": "\x07" + whole[1:]} {
		r := verify(t, packStreams(t, packed{"local/a", stream, plain}))
		if got := lines(r.Findings); !cmp.Equal(got, []string{"problem content local/a"}) {
			t.Errorf("%s: %v", name, r.Findings)
		}
	}
}

// trap panics when a place of the archive is read.
type trap struct {
	*bytes.Reader
	from, to int64
}

func (d trap) ReadAt(p []byte, off int64) (int, error) {
	if off < d.to && off+int64(len(p)) > d.from {
		panic("a fault of the decoder")
	}
	return d.Reader.ReadAt(p, off)
}

func TestAPanicInOneEntryIsAFindingOfThatEntry(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 600_000) // too large to be read at once
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	b := export(t, "d", "", file{name: "local/a", data: prose(3, 3000)}, file{name: "local/b", data: string(noise)}, file{name: "local/c", data: prose(5, 3000)})
	z := need.Value(zip.NewReader(bytes.NewReader(b), int64(len(b))))(t)
	at := need.Value(z.File[1].DataOffset())(t)
	r, err := archive.Verifier{Workers: 1}.Verify(context.Background(), trap{bytes.NewReader(b), at + 100_000, at + 100_001}, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	wantFindings(t, r, "problem fault local/b")
	if r.Hashed != 2 {
		t.Errorf("%d of the other two files were compared", r.Hashed)
	}
	r, err = (archive.Verifier{}).Verify(context.Background(), trap{bytes.NewReader(b), 0, int64(len(b))}, int64(len(b)))
	if err != nil || !cmp.Equal(lines(r.Findings), []string{"problem fault"}) {
		t.Errorf("everywhere: error %v, findings %v", err, r.Findings)
	}
}

func TestErrorsOfTheMediumWithinAStreamAreErrors(t *testing.T) {
	t.Parallel()
	b := packStreams(t, packed{"local/a", string(deflated(t, 6, prose(3, 200_000))), prose(3, 200_000)})
	_, err := (archive.Verifier{}).Verify(context.Background(), failing{bytes.NewReader(b), 5000}, int64(len(b)))
	if err == nil || !strings.Contains(err.Error(), "input/output") {
		t.Errorf("error %v", err)
	}
}

// failing cannot read one byte.
type failing struct {
	*bytes.Reader
	at int64
}

func (d failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= d.at && off+int64(len(p)) > d.at {
		return 0, errors.New("input/output error")
	}
	return d.Reader.ReadAt(p, off)
}

func FuzzStreamsAreDecodedAsTheStandardLibraryDoes(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 8 {
		stream, _ := mixed(f, r, lengthsAround(r, 220<<10)...)
		f.Add([]byte(stream))
	}
	f.Add(deflated(f, 6, prose(3, 3000)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 4 << 20
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(stream)), limit))
		if len(plain) == limit {
			return
		}
		r := verify(t, packStreams(t, packed{"local/a", string(stream), string(plain)}))
		if err != nil && r.Whole() {
			t.Fatalf("whole, but the standard library says %v", err)
		}
		if err == nil && !r.Whole() && !strings.Contains(fmt.Sprint(r.Findings), "its compressed data ends after") {
			t.Fatalf("the standard library decodes it, but: %v", r.Findings)
		}
	})
}
