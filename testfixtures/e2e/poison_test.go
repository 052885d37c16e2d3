package e2e

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// awkward writes the export of a domain that is whole, though it ended a
// decoder that was less careful: its one file has two literals and the end of a
// block right where a window of 32 KiB and a piece of 128 KiB are full, and
// then a stored block.
func awkward(t *testing.T, domain string) string {
	t.Helper()
	literals := bytes.Repeat([]byte("abcdefgh"), 20481)[:160<<10+1]
	var packed bytes.Buffer
	for _, part := range []struct {
		level int
		data  []byte
	}{{flate.HuffmanOnly, literals}, {flate.NoCompression, []byte("stored")}} {
		w := need.Value(flate.NewWriter(&packed, part.level))(t)
		need.Value(w.Write(part.data))(t)
		end := w.Flush
		if part.level == flate.NoCompression {
			end = w.Close
		}
		need.Done(t, end())
	}
	plain := append(literals, "stored"...)
	sum := sha1.Sum(plain)
	at := filepath.Join(t.TempDir(), domain+".zip")
	f := need.Value(os.Create(at))(t)
	defer f.Close()
	z := zip.NewWriter(f)
	e, err := z.CreateRaw(&zip.FileHeader{Name: "local/a", Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(plain),
		CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(len(plain))})
	if err != nil {
		t.Fatal(err)
	}
	need.Value(e.Write(packed.Bytes()))(t)
	list := need.Value(z.Create("export.xml"))(t)
	fmt.Fprintf(list, `<datapower-configuration version="3"><export-details><domain>%s</domain></export-details><configuration domain="%s"/>`+
		`<files><file name="local:///a" src="local/a" location="local" hash="%s"/></files></datapower-configuration>`,
		domain, domain, base64.StdEncoding.EncodeToString(sum[:]))
	need.Done(t, z.Close())
	return at
}

// TestAwkwardArchivesOfOneGatewayCostNobodyABackup: two domains of one gateway
// serve archives that once ended the process in which the whole fleet's are
// verified. They are whole, and so is every other backup.
func TestAwkwardArchivesOfOneGatewayCostNobodyABackup(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{
		{Name: "gw-1", Domains: []dpsim.Domain{{Name: "app01", Archive: awkward(t, "app01")}, {Name: "app02", Archive: awkward(t, "app02")}, {Name: "app03"}}},
		{Name: "gw-2", AppDomains: 3},
		{Name: "gw-3", AppDomains: 3},
	}})
	res := s.apply(`
plan "p" {
  destinations = [destination.file.local]
  limits { parallel = 8 }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app*"]
  }
}
`)
	if res.ExitCode != 0 || res.Summary == nil || res.Summary.Succeeded != 9 {
		t.Fatalf("exit %d, summary %+v", res.ExitCode, res.Summary)
	}
	for _, task := range res.Summary.Tasks {
		if task.Code != "SUCCESS" {
			t.Errorf("%s: %s: %s", task.Task, task.Code, task.Message)
		}
	}
}
