package sftpshort

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	pkgsftp "github.com/pkg/sftp"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestEveryAnswerIsShortAndTheFileIsWhole(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	need.Done(t, os.WriteFile(file, want, 0o600))
	ours, theirs := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Serve(theirs, 1024, ServerPath); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		_ = theirs.Close()
	})
	c := need.Value(pkgsftp.NewClientPipe(ours, ours))(t)
	f := need.Value(c.Open(file))(t)
	var got []byte
	for {
		b := make([]byte, 10_000)
		n, err := f.Read(b) // asks again until it has all
		got = append(got, b[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, or others than the %d of the file", len(got), len(want))
	}
	_ = ours.Close()
	wg.Wait()
}

func TestOnlyTheLengthOfReadsIsLowered(t *testing.T) {
	t.Parallel()
	read := func(length byte) []byte { return []byte{0, 0, 0, 9, typeRead, 0, 0, 0, 7, 0, 0, 1, length} }
	other := []byte{0, 0, 0, 5, 6, 0, 0, 2, 0}
	in := bytes.Join([][]byte{read(0), read(255), other}, nil)
	var out bytes.Buffer
	need.Done(t, shorten(&out, bytes.NewReader(in), 257))
	if want := bytes.Join([][]byte{read(0), read(1), other}, nil); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got  %v\nwant %v", out.Bytes(), want)
	}
}
