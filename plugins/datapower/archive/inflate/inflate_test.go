package inflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/dprun/dprun/plugins/datapower/archive/inflate"
)

func deflate(t testing.TB, level int, p []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(src io.Reader, limit int64) ([]byte, inflate.Result, error) {
	var b bytes.Buffer
	res, err := inflate.NewDecoder().Decode(src, limit, func(p []byte) error { b.Write(p); return nil })
	return b.Bytes(), res, err
}

// samples are payloads that exercise every kind of block and copy.
func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 700_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text := new(bytes.Buffer)
	for i := range 60_000 {
		fmt.Fprintf(text, "<Property name=\"p%d\" class=\"%x\">on</Property>\n", i%977, r.Uint32()%4096)
	}
	few := make([]byte, 900_000)
	for i := range few {
		few[i] = "aab"[r.IntN(3)]
	}
	skew := make([]byte, 400_000)
	for i := range skew {
		skew[i] = byte(min(255, int(r.ExpFloat64()*9)))
	}
	s := map[string][]byte{
		"empty": nil, "one byte": {7}, "noise": noise, "text": text.Bytes(), "few symbols": few, "skewed": skew,
		"one run": bytes.Repeat([]byte{'x'}, 1_000_000),
	}
	for _, period := range []int{2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 32768} {
		s[fmt.Sprintf("period %d", period)] = bytes.Repeat(noise[:period], 400_000/period)
	}
	return s
}

func TestDecodeReturnsWhatWasCompressed(t *testing.T) {
	t.Parallel()
	for name, want := range samples() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
			t.Run(fmt.Sprintf("%s level %d", name, level), func(t *testing.T) {
				t.Parallel()
				packed := deflate(t, level, want)
				got, res, err := decode(bytes.NewReader(append(packed, "what follows"...)), int64(len(want)))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("decoded %d bytes, want %d; error %v", len(got), len(want), err)
				}
				if diff := res != (inflate.Result{In: int64(len(packed)), Out: int64(len(want)), CleanEnd: true}); diff {
					t.Fatalf("result %+v for %d bytes of %d", res, len(packed), len(want))
				}
			})
		}
	}
}

func TestDecodeTakesInputInAnyPieces(t *testing.T) {
	t.Parallel()
	want := samples()["text"][:200_000]
	packed := deflate(t, 6, want)
	for name, r := range map[string]io.Reader{
		"bytes": iotest.OneByteReader(bytes.NewReader(packed)), "halves": iotest.HalfReader(bytes.NewReader(packed)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(packed)),
	} {
		if got, _, err := decode(r, 1<<30); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: decoded %d bytes, want %d; error %v", name, len(got), len(want), err)
		}
	}
}

func TestDecodeRefusesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	want := samples()["text"][:50_000]
	packed := deflate(t, 6, want)
	for n := range packed {
		if _, _, err := decode(bytes.NewReader(packed[:n]), 1<<30); !errors.Is(err, inflate.ErrTruncated) {
			t.Fatalf("cut at %d of %d: error %v, want ErrTruncated", n, len(packed), err)
		}
	}
	if _, res, err := decode(bytes.NewReader(packed), int64(len(want)-1)); !errors.Is(err, inflate.ErrLimit) {
		t.Errorf("above its limit: %+v, error %v, want ErrLimit", res, err)
	}
	failing := errors.New("disk")
	if _, _, err := decode(io.MultiReader(bytes.NewReader(packed[:99]), iotest.ErrReader(failing)), 1<<30); !errors.Is(err, failing) {
		t.Errorf("failing source: error %v", err)
	}
	if _, err := inflate.NewDecoder().Decode(bytes.NewReader(packed), 1<<30, func([]byte) error { return failing }); !errors.Is(err, failing) {
		t.Errorf("failing sink: error %v", err)
	}
}

func TestDecodeTellsSetBitsAfterTheEnd(t *testing.T) {
	t.Parallel()
	// A fixed block with nothing in it: 3 bits of head, 7 of end of block, 6 unused.
	for last, clean := range map[byte]bool{0x00: true, 0x80: false, 0x04: false} {
		_, res, err := decode(bytes.NewReader([]byte{0x03, last}), 10)
		if err != nil || res.CleanEnd != clean || res.In != 2 {
			t.Errorf("last byte %#x: %+v, error %v", last, res, err)
		}
	}
}

func FuzzDecodeAgreesWithTheStandardLibrary(f *testing.F) {
	for _, p := range samples() {
		f.Add(deflate(f, 6, p[:min(len(p), 3000)]))
		f.Add(deflate(f, flate.HuffmanOnly, p[:min(len(p), 300)]))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		const limit = 4 << 20
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), limit))
		got, _, err := decode(bytes.NewReader(packed), limit)
		if len(want) == limit {
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, the standard library says %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("decoded %d bytes, the standard library %d", len(got), len(want))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	want := samples()["text"]
	packed := deflate(b, 6, want)
	d := inflate.NewDecoder()
	b.SetBytes(int64(len(want)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(bytes.NewReader(packed), 1<<40, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
