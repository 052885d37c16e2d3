package archive_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAWholeExportHasNoFindings(t *testing.T) {
	t.Parallel()
	dir := file{name: "local/", hash: "-"}
	b := export(t, "orders", "", dir, file{name: "local/a.xsl", data: prose(3, 40_000)}, file{name: "dp-aux/drMgmt.xml", data: prose(5, 3_000_000)})
	got := verify(t, b)
	got.Compressed, got.Uncompressed = 0, 0
	want := &archive.Report{
		Kind: archive.KindExport, Domains: []string{"orders"}, Entries: 4, Hashed: 2, Made: "2021-12-01 17:56:14 CET",
		Device: archive.Device{Name: "gw&1", Serial: "7800163", Product: "IDG", Firmware: "IDG.10.0.1.5", Build: "336212"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestWhatAGatewayLeavesOutIsNoProblem(t *testing.T) {
	t.Parallel()
	extra := `<file name="local:///gone" src="local/gone" missing="true"/><file name="cert:///k.pem" src="cert/k.pem" key="true"/>` +
		`<file name="store:///n" src="store/n"/>`
	r := verify(t, export(t, "d", extra, file{name: "store/n", data: "n", hash: "-"}, file{name: "config/d.cfg", data: "c", hash: "-"}, file{name: "local/new", data: "x", hash: "-"}))
	wantFindings(t, r, "warning missing local/gone", "warning unlisted local/new", "by-design key cert/k.pem", "by-design unlisted config/d.cfg", "by-design no-hash store/n")
	if !r.Whole() {
		t.Error("not whole")
	}
}

func TestWhatIsListedMustBeThereAndRight(t *testing.T) {
	t.Parallel()
	r := verify(t, export(t, "d", `<file name="local:///b" src="local/b" hash="x"/>`,
		file{name: "local/a", data: "changed", hash: sha1Of("original")}, file{name: "local/c", data: "c", hash: "!!"}))
	wantFindings(t, r, "problem hash local/a", "problem missing local/b", "problem hash local/c")
	if r.Whole() {
		t.Error("whole")
	}
}

func TestAFlippedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	// Content without repetition: a flipped distance cannot lead to the same bytes elsewhere.
	noise := make([]byte, 400)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	b := export(t, "d", "", file{name: "local/a", data: prose(3, 1200)}, file{name: "local/b", data: string(noise)})
	z := need.Value(zip.NewReader(bytes.NewReader(b), int64(len(b))))(t)
	for _, f := range z.File {
		at := need.Value(f.DataOffset())(t)
		for i := range int64(f.CompressedSize64) {
			c := bytes.Clone(b)
			c[at+i] ^= 0xff
			r := verify(t, c)
			named := false
			for _, p := range r.Problems() {
				named = named || p.Entry == f.Name
			}
			if !named {
				t.Fatalf("flipped byte %d of %s is not found: %v", i, f.Name, r.Findings)
			}
		}
	}
}

func TestABackupShowsItsDomainsAndTheirSharedFiles(t *testing.T) {
	t.Parallel()
	aux := file{name: "dp-aux/management.xsl", data: prose(7, 9000)}
	listAux := fmt.Sprintf(`<file name="webgui:///management.xsl" src="dp-aux/management.xsl" location="dp-aux" internal="true" hash="%s"/>`, sha1Of(aux.data))
	backup := func(aux file, inner ...file) []byte {
		list := file{name: "export.xml", data: `<datapower-configuration version="3">` + fmt.Sprintf(details, "default") +
			`<configuration><Domain name="a"/></configuration><domains><domain name="a"/><domain name="b"/></domains></datapower-configuration>`}
		return pack(t, append([]file{list, aux, {name: "dp-aux/unused.xsl", data: "u"}}, inner...)...)
	}
	a := file{name: "a.zip", data: string(export(t, "a", listAux, file{name: "local/x", data: prose(11, 5000)}, file{name: "config/a.cfg", data: "cfg", hash: "-"}))}
	big := strings.Repeat("0123456789abcdef", 400_000)
	b := file{name: "b.zip", data: string(export(t, "b", listAux, file{name: "local/y", data: big}))}

	r := verify(t, backup(aux, a, b))
	wantFindings(t, r, "by-design unlisted a.zip/config/a.cfg", "by-design unlisted dp-aux/unused.xsl")
	if diff := cmp.Diff([]string{"a", "b"}, r.Domains); diff != "" || r.Kind != archive.KindBackup || r.Hashed != 4 || r.Entries != 10 {
		t.Errorf("%s, kind %s, %d hashed, %d entries", diff, r.Kind, r.Hashed, r.Entries)
	}

	r = verify(t, backup(file{name: aux.name, data: "changed"}, a, b))
	wantFindings(t, r, "problem hash a.zip/dp-aux/management.xsl", "problem hash b.zip/dp-aux/management.xsl", "by-design unlisted a.zip/config/a.cfg", "by-design unlisted dp-aux/unused.xsl")

	r = verify(t, backup(aux, a))
	wantFindings(t, r, "problem missing-domain b.zip", "by-design unlisted a.zip/config/a.cfg", "by-design unlisted dp-aux/unused.xsl")

	bad := file{name: "b.zip", data: string(export(t, "b", listAux, file{name: "local/y", data: "y", hash: sha1Of("z")}))}
	r = verify(t, backup(aux, a, bad))
	if got := lines(r.Problems()); !cmp.Equal(got, []string{"problem hash b.zip/local/y"}) {
		t.Errorf("problems %v", got)
	}
}

func TestALargeNestedArchiveIsUnpackedOutsideOfMemoryAndLeavesNothing(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 6<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	list := file{name: "export.xml", data: `<datapower-configuration>` + fmt.Sprintf(details, "default") + `<domains><domain name="a"/></domains></datapower-configuration>`}
	b := pack(t, list, file{name: "a.zip", data: string(export(t, "a", "", file{name: "local/x", data: string(noise)}))})
	dir := t.TempDir()
	r, err := archive.Verifier{TempDir: dir}.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
	if err != nil || len(r.Findings) > 0 || r.Hashed != 1 {
		t.Errorf("error %v, report %+v", err, r)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	r, err = archive.Verifier{TempDir: dir, MaxSpool: 5 << 20}.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
	if err != nil || !cmp.Equal(lines(r.Findings), []string{"problem limit a.zip"}) {
		t.Errorf("with a bound: error %v, findings %v", err, r.Findings)
	}
}

// A backup's archives have lists of files each, so nothing in it is unchecked. But no gateway writes one that does not list its domains.
func TestABackupThatDoesNotListItsDomainsIsWarnedOf(t *testing.T) {
	t.Parallel()
	list := file{name: "export.xml", data: `<datapower-configuration>` + fmt.Sprintf(details, "default") + `</datapower-configuration>`}
	inner := file{name: "a.zip", data: string(export(t, "a", "", file{name: "local/x", data: "x"}))}
	r := verify(t, pack(t, list, inner))
	wantFindings(t, r, "warning no-domains export.xml")
	r.Compare(archive.Asked{Kind: archive.KindBackup, Domains: []string{"a"}})
	if !r.Whole() {
		t.Errorf("not whole: %v", r.Findings)
	}
	inner.data = string(pack(t, file{name: "export.xml", data: "<datapower-configuration>" + fmt.Sprintf(details, "a") + `<configuration domain="a"/></datapower-configuration>`}))
	wantFindings(t, verify(t, pack(t, list, inner)), "problem no-files a.zip/export.xml", "warning no-domains export.xml")
}

func TestBrokenStructureIsReported(t *testing.T) {
	t.Parallel()
	whole := export(t, "d", "", file{name: "local/a", data: prose(3, 3000)}, file{name: "local/b", data: prose(5, 3000)})
	central := bytes.Index(whole, []byte("PK\x01\x02"))
	end := bytes.LastIndex(whole, []byte("PK\x05\x06"))
	edit := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(whole)) }
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"empty":            {nil, []string{"problem structure"}},
		"no zip":           {[]byte("<html>"), []string{"problem structure"}},
		"cut in the data":  {whole[:central-50], []string{"problem structure"}},
		"cut in directory": {whole[:central+60], []string{"problem structure"}},
		"cut in the end":   {whole[:end+10], []string{"problem structure"}},
		"bytes lost":       {edit(func(b []byte) []byte { return append(b[:60:60], b[70:]...) }), nil},
		"wrong count":      {edit(func(b []byte) []byte { b[end+10] = 9; return b }), []string{"problem structure"}},
		"wrong local name": {edit(func(b []byte) []byte { b[31] = 'X'; return b }), []string{"problem structure local/a"}},
		"wrong local size": {edit(func(b []byte) []byte { b[22]++; return b }), []string{"problem structure local/a"}},
		"wrong local sig":  {edit(func(b []byte) []byte { b[1]++; return b }), []string{"problem structure local/a"}},
		"encrypted":        {edit(func(b []byte) []byte { b[6] |= 1; return b }), []string{"problem structure local/a"}},
		"foreign method":   {edit(func(b []byte) []byte { b[8], b[central+10] = 12, 12; return b }), []string{"problem structure local/a"}},
		"outside":          {edit(func(b []byte) []byte { b[central+45] = 1; return b }), nil},
		"impossible ratio": {edit(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[central+24:], 1<<30); return b }), []string{"problem size local/a"}},
		"too small a size": {edit(func(b []byte) []byte { b[central+24], b[22] = b[central+24]-1, b[22]-1; return b }), []string{"problem content local/a"}},
		"too large a size": {edit(func(b []byte) []byte { b[central+24], b[22] = b[central+24]+1, b[22]+1; return b }), []string{"problem size local/a"}},
		"trailing bytes":   {append(bytes.Clone(whole), "xyz"...), []string{"problem trailing"}},
		"no entries":       {pack(t), []string{"problem empty"}},
		"empty root":       {pack(t, file{name: "export.xml", data: `<datapower-configuration version="3"/>`}), []string{"problem no-details export.xml", "problem no-files export.xml"}},
		"no file list": {pack(t, file{name: "export.xml", data: "<datapower-configuration>" + fmt.Sprintf(details, "d") + `<configuration domain="d"/></datapower-configuration>`}),
			[]string{"problem no-files export.xml"}},
		"nothing listed": {export(t, "d", ""), []string{"warning no-files export.xml"}},
		"two domains": {pack(t, file{name: "local/a", data: "x", hash: "-"}, file{name: "export.xml", data: "<datapower-configuration>" + fmt.Sprintf(details, "d") +
			`<configuration domain="e"/><files><file name="local:///a" src="local/a" hash="` + sha1Of("x") + `"/></files></datapower-configuration>`}),
			[]string{"problem other-domain export.xml"}},
		"leading bytes": {append([]byte("xyz"), whole...), nil},
		"twice": {
			pack(t, file{name: "local/a", data: "1"}, file{name: "local/a", data: "1"}, exportList("d", []file{{name: "local/a", data: "1"}}, "")),
			[]string{"problem structure local/a", "warning unlisted local/a"},
		},
		"slip":       {export(t, "d", "", file{name: "../etc/passwd", data: "x"}), []string{"problem name ../etc/passwd"}},
		"absolute":   {export(t, "d", "", file{name: "/etc/passwd", data: "x"}), []string{"problem name /etc/passwd"}},
		"control":    {pack(t, file{name: "local/a\x1b[2J", data: "x"}, exportList("d", nil, "")), []string{"problem name local/a?[2J", "warning no-files export.xml", "warning unlisted local/a?[2J"}},
		"no list":    {pack(t, file{name: "local/a", data: "x"}), []string{"problem no-export"}},
		"bad list":   {pack(t, file{name: "export.xml", data: "<datapower-configuration><files>"}), []string{"problem list export.xml"}},
		"other list": {pack(t, file{name: "export.xml", data: "<html/>"}), []string{"problem list export.xml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := verify(t, c.data)
			if c.want == nil {
				if r.Whole() {
					t.Errorf("whole: %v", r.Findings)
				}
				return
			}
			wantFindings(t, r, c.want...)
		})
	}
}

func TestABombIsRefusedWithoutInflatingIt(t *testing.T) {
	t.Parallel()
	// Thirty entries of 64 MiB zeroes that deflate to almost nothing: 2 GiB from less than 3 MB.
	zeroes := file{data: strings.Repeat("\x00", 64<<20)}
	one := pack(t, file{name: "local/0", data: zeroes.data})
	packed := one[30+len("local/0") : bytes.Index(one, []byte("PK\x01\x02"))]
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := range 30 {
		e, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("local/%d", i), Method: zip.Deflate, CRC32: 1, CompressedSize64: uint64(len(packed)), UncompressedSize64: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		need.Value(e.Write(packed))(t)
	}
	need.Done(t, w.Close())
	r := verify(t, out.Bytes())
	if len(r.Problems()) == 0 || r.Problems()[0].Code != archive.CodeLimit || r.Uncompressed != 0 {
		t.Errorf("inflated %d bytes, findings %v", r.Uncompressed, lines(r.Findings))
	}
}

func TestMemoryStaysConstant(t *testing.T) {
	// Not parallel: it measures allocation.
	b := export(t, "d", "", file{name: "local/a", data: prose(3, 64<<20)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := archive.Verifier{Workers: 2}.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
	runtime.ReadMemStats(&after)
	if err != nil || !r.Whole() {
		t.Fatalf("error %v, findings %v", err, r.Findings)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("allocated %d bytes to verify 64 MiB", used)
	}
}

type brokenDisk struct{}

func (d brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	return 0, errors.New("input/output error")
}

func TestReadErrorsAndCancellationAreErrors(t *testing.T) {
	t.Parallel()
	if _, err := (archive.Verifier{}).Verify(context.Background(), brokenDisk{}, 1000); err == nil || !strings.Contains(err.Error(), "input/output") {
		t.Errorf("broken disk: error %v", err)
	}
	b := export(t, "d", "", file{name: "local/a", data: prose(3, 3000)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (archive.Verifier{}).Verify(ctx, bytes.NewReader(b), int64(len(b))); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestVerifyFileTakesFilesAndDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "d.zip")
	need.Done(t, os.WriteFile(name, export(t, "d", ""), 0o600))
	if r, err := archive.VerifyFile(context.Background(), name); err != nil || !r.Whole() || r.Kind != archive.KindExport {
		t.Errorf("file: %+v, %v", r, err)
	}
	if r, err := archive.VerifyFile(context.Background(), dir); err != nil || r.Whole() {
		t.Errorf("directory without manifest: %+v, %v", r, err)
	}
	if _, err := archive.VerifyFile(context.Background(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(export(f, "d", `<file src="x" missing="true"/>`, file{name: "local/a", data: prose(3, 600)}))
	list := file{name: "export.xml", data: `<datapower-configuration><domains><domain name="a"/></domains></datapower-configuration>`}
	f.Add(pack(f, list, file{name: "dp-aux/x", data: "x"}, file{name: "a.zip", data: string(export(f, "a", ""))}))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := archive.Verifier{Workers: 1, TempDir: dir}.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if !r.Whole() {
			return
		}
		if err != nil {
			t.Fatalf("whole, but the standard library says %v", err)
		}
		for _, e := range z.File {
			rc, err := e.Open()
			if err == nil {
				_, err = io.Copy(io.Discard, rc)
				_ = rc.Close()
			}
			if err != nil {
				t.Fatalf("whole, but %s: the standard library says %v", e.Name, err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	var files []file
	for i := range 40 {
		files = append(files, file{name: fmt.Sprintf("local/%d", i), data: prose(i+3, 1<<20)})
	}
	data := export(b, "d", "", files...)
	b.SetBytes(40 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if r, err := (archive.Verifier{}).Verify(context.Background(), bytes.NewReader(data), int64(len(data))); err != nil || !r.Whole() {
			b.Fatal(err, r.Findings)
		}
	}
}
