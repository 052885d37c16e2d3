package soma_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/testfixtures/need"
)

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// wrap breaks text into lines.
func wrap(s string, n int, end string) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n] + end)
		s = s[n:]
	}
	return b.String() + s
}

func TestAnExportIsDecodedAsItArrives(t *testing.T) {
	t.Parallel()
	want := noise(3_000_001)
	sum := sha256.Sum256(want)
	text := base64.StdEncoding.EncodeToString(want)
	for name, file := range map[string]string{
		"one line": "<dp:file>" + text + "</dp:file>", "lines": "<dp:file>\n" + wrap(text, 76, "\r\n") + "\n</dp:file>", "blanks": "<dp:file>" + wrap(text, 9, " \t") + "</dp:file>",
		"references": "<dp:file>" + wrap(text, 64, "&#13;\n") + "</dp:file>", "with a name": `<dp:file name="temporary:///a/>b">` + text + "</dp:file>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, says(reply(stamp+file)))
			var got bytes.Buffer
			var last int64
			f, err := d.client(t).Export(testContext(t), soma.ExportRequest{Domain: "orders", Progress: func(n int64) { last = n }}, &got)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) || f.Size != int64(len(want)) || f.SHA256 != hex.EncodeToString(sum[:]) || last != f.Size || f.Time.IsZero() {
				t.Errorf("got %d bytes, %+v, progress %d; want %d bytes", got.Len(), f, last, len(want))
			}
		})
	}
}

func TestAFileThatIsNoneIsToldApart(t *testing.T) {
	t.Parallel()
	whole := reply(stamp + "<dp:file>" + base64.StdEncoding.EncodeToString(noise(90_000)) + "</dp:file>")
	for name, c := range map[string]struct {
		body  string
		class soma.Class
	}{
		"empty element":        {reply(stamp + "<dp:file/>"), soma.EmptyFile},
		"empty with name":      {reply(stamp + `<dp:file name="x"/>`), soma.EmptyFile},
		"nothing inside":       {reply(stamp + "<dp:file> \n </dp:file>"), soma.EmptyFile},
		"word ERROR":           {reply(stamp + "<dp:file>ERROR</dp:file>"), soma.ErrorFile},
		"word ERROR, padded":   {reply(stamp + "<dp:file>\n ERROR \n</dp:file>"), soma.ErrorFile},
		"result ERROR":         {reply(stamp + "<dp:result>ERROR</dp:result>"), soma.Result},
		"text":                 {reply(stamp + "<dp:file>Non B64 content!</dp:file>"), soma.NotBase64},
		"bad reference":        {reply(stamp + "<dp:file>QUJD&amp;QUJD</dp:file>"), soma.NotBase64},
		"digits after the end": {reply(stamp + "<dp:file>QQ==QUJD</dp:file>"), soma.NotBase64},
		"end too early":        {reply(stamp + "<dp:file>QUJDR</dp:file>"), soma.CutFile},
		"one pad missing":      {reply(stamp + "<dp:file>QQ=</dp:file>"), soma.CutFile},
		"cut in the file":      {whole[:60_000], soma.Truncated},
		"cut after the file":   {whole[:len(whole)-10], soma.Truncated},
		"element within":       {reply(stamp + "<dp:file>QUJD<a/>QUJD</dp:file><dp:file>QUJD</dp:file>"), soma.BadReply},
		"no file":              {reply(stamp + "<dp:result>OK</dp:result>"), soma.BadReply},
		"unknown domain":       {reply(stamp + "<dp:result>Authentication failure</dp:result>"), soma.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, says(c.body))
			_, err := d.client(t).Export(testContext(t), soma.ExportRequest{Domain: "orders"}, io.Discard)
			wantClass(t, err, c.class, "do-export: ")
		})
	}
}

func TestAConnectionCutWithinAFileIsTruncated(t *testing.T) {
	t.Parallel()
	d := newDevice(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, reply(stamp + "<dp:file>" + strings.Repeat("QUJD", 20_000))[:70_000])
		panic(http.ErrAbortHandler)
	})
	_, err := d.client(t).Backup(testContext(t), soma.BackupRequest{}, io.Discard)
	wantClass(t, err, soma.Truncated, "closed")
}

func TestAnEmptyFileOfTheDeviceIsAFile(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(stamp+`<dp:file name="local:///a"/>`)))
	f, err := d.client(t).GetFile(testContext(t), "orders", "local:///a", 0, io.Discard)
	if err != nil || f.Size != 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

type fullDisk struct{ left int }

var errFull = errors.New("no space left on device")

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestAFailingSinkAndALimitEndTheTransfer(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(stamp+"<dp:file>"+strings.Repeat("QUJD", 3_000_000)+"</dp:file>")))
	_, err := d.client(t).Export(testContext(t), soma.ExportRequest{}, &fullDisk{left: 400_000})
	wantClass(t, err, soma.Sink, "no space left")
	if !errors.Is(err, errFull) {
		t.Errorf("the cause is lost: %v", err)
	}
	_, err = d.client(t).Export(testContext(t), soma.ExportRequest{MaxBytes: 5_000_000}, io.Discard)
	wantClass(t, err, soma.TooLarge, "5000000")
}

func TestExportRequests(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(stamp+"<dp:file>QUJD</dp:file>")))
	c := d.client(t)
	need.Value(c.Export(testContext(t), soma.ExportRequest{Domain: "a&b", Persisted: true, Comment: "<run>"}, io.Discard))(t)
	want := ` domain="a&amp;b"><dp:do-export format="ZIP" all-files="true" persisted="true"><dp:user-comment>&lt;run&gt;</dp:user-comment>` +
		`<dp:object class="all-classes" name="all-objects" ref-objects="true" ref-files="true" include-debug="false"/></dp:do-export></dp:request>`
	if got := <-d.requests; !strings.Contains(got, want) {
		t.Errorf("request %s\nwant %s", got, want)
	}
	need.Value(c.Backup(testContext(t), soma.BackupRequest{Domains: []string{"a", "b"}}, io.Discard))(t)
	want = `management"><dp:do-backup format="ZIP" persisted="false"><dp:user-comment></dp:user-comment><dp:domain name="a"/><dp:domain name="b"/></dp:do-backup></dp:request>`
	if got := <-d.requests; !strings.Contains(got, want) {
		t.Errorf("request %s\nwant %s", got, want)
	}
}

// big answers with a file of n groups of three bytes.
func big(n int) http.HandlerFunc {
	block := strings.Repeat("QUJDREVG", 32<<10)
	head, tail := reply(stamp+"<dp:file>|</dp:file>"), ""
	head, tail, _ = strings.Cut(head, "|")
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(head)+n*4+len(tail)))
		_, _ = io.WriteString(w, head)
		for left := n * 4; left > 0; left -= len(block) {
			if _, err := io.WriteString(w, block[:min(left, len(block))]); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, tail)
	}
}

func TestMemoryStaysConstantWhateverTheFile(t *testing.T) {
	// Not parallel: it measures allocation.
	d := newDevice(t, big(40<<20))
	c := d.client(t)
	if err := c.UnquiesceDP(testContext(t)); err == nil {
		t.Fatal("a file is no result")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := c.Export(testContext(t), soma.ExportRequest{}, io.Discard)
	runtime.ReadMemStats(&after)
	if err != nil || f.Size != 120<<20 {
		t.Fatalf("%+v, %v", f, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 100<<20 {
		t.Errorf("allocated %d bytes for a file of 120 MiB", used)
	}
}

func BenchmarkExport(b *testing.B) {
	d := newDevice(b, big(40<<20))
	c := d.client(b)
	b.SetBytes(160 << 20)
	for b.Loop() {
		if _, err := c.Export(context.Background(), soma.ExportRequest{}, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
