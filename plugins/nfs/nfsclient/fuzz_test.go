package nfsclient

import (
	"bytes"
	"testing"
)

// FuzzReply feeds a server's bytes to every decoder: none may panic, and what
// is taken for a reply must be within bounds.
func FuzzReply(f *testing.F) {
	var ok encoder
	for _, v := range []uint32{7, 1, 0, 0, 0, 0, 0} {
		ok.u32(v)
	}
	f.Add(record32(ok.b))
	f.Add(record32(append(ok.b, make([]byte, 200)...)))
	f.Add([]byte{0x80, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, wire []byte) {
		var pools recordPools
		rec, err := readRecord(bytes.NewReader(wire), &pools)
		if err != nil {
			return
		}
		if len(rec.b) > len(wire) {
			t.Fatalf("a record of %d bytes from %d", len(rec.b), len(wire))
		}
		_, results, err := parseReply(rec.b)
		if err != nil {
			return
		}
		for _, decode := range []func(*decoder){
			func(d *decoder) { d.attr() },
			func(d *decoder) { d.created() },
			(*decoder).wcc,
			func(d *decoder) {
				if w, err := decodeWritten(d, 4096); err == nil && w.count > 4096 {
					t.Fatalf("%d bytes written of 4096", w.count)
				}
			},
			func(d *decoder) {
				if data, _, err := decodeRead(d, 4096); err == nil && len(data) > 4096 {
					t.Fatalf("%d bytes read of 4096", len(data))
				}
			},
			func(d *decoder) {
				page, err := decodeDirPage(d)
				for _, e := range page.entries {
					if err == nil && e.Name != "." && e.Name != ".." && checkName(e.Name) != nil {
						t.Fatalf("an entry named %q", e.Name)
					}
				}
			},
			func(d *decoder) { _, _ = decodeCommit(d) },
		} {
			d := results
			decode(&d)
		}
	})
}
