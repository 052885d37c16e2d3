package spool_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

func TestBlobReadsBackAtAnyOffset(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := spool.New(dir)
	defer s.Close()
	for _, size := range []int{0, 1, 2, 3, 1000, 1001, 1002} {
		for _, estimate := range []int64{0, 1 << 30} { // shared file, own file
			raw := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
			b, err := s.Add(estimate, true, func(w io.Writer) error { _, err := w.Write(raw); return err })
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(b.Text(0, b.TextLen()))
			if err != nil || string(text) != base64.StdEncoding.EncodeToString(raw) {
				t.Errorf("size %d: text differs (%v)", size, err)
			}
			if err := iotest.TestReader(io.NewSectionReader(b, 0, b.Size), raw); err != nil {
				t.Errorf("size %d: %v", size, err)
			}
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("%d files have a name", len(names))
	}
}
