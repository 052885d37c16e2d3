package archive_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// file is one entry of an archive to build.
type file struct {
	name string
	data string
	hash string // as listed; "": the right one, "-": not listed
}

const details = `<export-details><description>Exported Configuration</description><user>admin</user><domain>%s</domain><product>IDG</product>` +
	`<device-name>gw&amp;1</device-name><serial-number>7800163</serial-number><firmware-version>IDG.10.0.1.5</firmware-version>` +
	`<firmware-build>336212</firmware-build><current-date>2021-12-01</current-date><current-time>17:56:14 CET</current-time></export-details>`

func sha1Of(data string) string {
	sum := sha1.Sum([]byte(data))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// exportList makes an export.xml for files; extra is put into its list as it is.
func exportList(domain string, files []file, extra string) file {
	var b strings.Builder
	fmt.Fprintf(&b, `<datapower-configuration version="3">`+details+`<configuration domain="%s"><HTTPService name="a"/></configuration><files>`, domain, domain)
	for _, f := range files {
		if f.hash == "-" {
			continue
		}
		hash := f.hash
		if hash == "" {
			hash = sha1Of(f.data)
		}
		fmt.Fprintf(&b, `<file name="local:///x" src="%s" location="local" hash="%s"/>`, f.name, hash)
	}
	b.WriteString(extra + `</files></datapower-configuration>`)
	return file{name: "export.xml", data: b.String()}
}

// pack makes a zip as gateways do: sizes in the header in front of the data, everything deflated.
func pack(t testing.TB, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		var packed bytes.Buffer
		h := &zip.FileHeader{Name: f.name, CRC32: crc32.ChecksumIEEE([]byte(f.data)), UncompressedSize64: uint64(len(f.data))}
		if !strings.HasSuffix(f.name, "/") {
			h.Method = zip.Deflate
			d := need.Value(flate.NewWriter(&packed, 6))(t)
			need.Value(d.Write([]byte(f.data)))(t)
			need.Done(t, d.Close())
		}
		h.CompressedSize64 = uint64(packed.Len())
		e := need.Value(w.CreateRaw(h))(t)
		need.Value(e.Write(packed.Bytes()))(t)
	}
	need.Done(t, w.Close())
	return out.Bytes()
}

// export makes the export of a domain with its list.
func export(t testing.TB, domain, extra string, files ...file) []byte {
	t.Helper()
	return pack(t, append(files, exportList(domain, files, extra))...)
}

func verify(t testing.TB, b []byte) *archive.Report {
	t.Helper()
	r, err := archive.Verifier{Workers: 2, TempDir: t.TempDir()}.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines gives findings as "severity code entry", one a line.
func lines(fs []archive.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Severity, f.Code, f.Entry)))
	}
	return out
}

func wantFindings(t *testing.T, r *archive.Report, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, lines(r.Findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%v", diff, r.Findings)
	}
}

// prose is text that deflates about as well as configurations do.
func prose(seed, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<Property name=\"p%d\">%x</Property>\n", (i*seed)%977, (i*7919+seed)%65536)
	}
	return b.String()[:n]
}
