package archive_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestAMemoNeverHidesAFault: an archive that was verified before, with one bit
// of any entry's data changed, is found wrong with the memo as without it.
func TestAMemoNeverHidesAFault(t *testing.T) {
	t.Parallel()
	good := export(t, "d", "", file{name: "local/a", data: prose(3, 90_000)}, file{name: "local/b", data: prose(4, 90_000)})
	memo := archive.NewMemo()
	verify := func(b []byte) *archive.Report {
		t.Helper()
		r, err := archive.Verifier{Workers: 2, Memo: memo}.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := verify(good)
	again := verify(good)
	if !first.Whole() || !again.Whole() || first.Hashed != again.Hashed || first.Uncompressed != again.Uncompressed {
		t.Fatalf("first %+v, again %+v", first, again)
	}
	plain := archive.Verifier{Workers: 2}
	for at := 200; at < len(good); at += len(good) / 300 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		want := need.Value(plain.Verify(context.Background(), bytes.NewReader(bad), int64(len(bad))))(t)
		if got := verify(bad); got.Whole() != want.Whole() {
			t.Errorf("byte %d changed: whole is %v with the memo, %v without", at, got.Whole(), want.Whole())
		}
	}
}

// TestAMemoDoesNotTakeOneFileForAnother: the list asks for another content
// than the one that is there, both whole in themselves.
func TestAMemoDoesNotTakeOneFileForAnother(t *testing.T) {
	t.Parallel()
	memo := archive.NewMemo()
	one := export(t, "d", "", file{name: "local/a", data: prose(3, 90_000)})
	r, err := archive.Verifier{Memo: memo}.Verify(context.Background(), bytes.NewReader(one), int64(len(one)))
	if err != nil || !r.Whole() {
		t.Fatalf("%v, %v", err, r.Findings)
	}
	other := export(t, "d", "", file{name: "local/a", data: prose(3, 90_000), hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA="})
	r, err = archive.Verifier{Memo: memo}.Verify(context.Background(), bytes.NewReader(other), int64(len(other)))
	if err != nil || r.Whole() {
		t.Errorf("a wrong listed hash is not found: %v, %v", err, r.Findings)
	}
}
