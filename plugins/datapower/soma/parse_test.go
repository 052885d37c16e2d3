package soma

import (
	"bytes"
	"encoding/base64"
	"io"
	"testing"
)

// FuzzReply feeds arbitrary bytes to the reply parser, with and without a file asked for.
func FuzzReply(f *testing.F) {
	const head = `<e:Envelope xmlns:e="x"><e:Body><dp:response xmlns:dp="` + Namespace + `">`
	for _, s := range []string{
		`<dp:timestamp>2013-05-03T21:45:34-04:00</dp:timestamp><dp:result>OK</dp:result>`, `<dp:file name="a">QUJD&#13;</dp:file>`, `<dp:file/>`,
		`<dp:result><error-log><dp:log-event>x</dp:log-event></error-log></dp:result>`, `<dp:status><A xmlns:env="u"><B>c</B></A></dp:status>`,
	} {
		f.Add([]byte(head + s + `</dp:response></e:Body></e:Envelope>`))
	}
	f.Add([]byte(`<e:Envelope xmlns:e="x"><e:Body><e:Fault><faultstring>x</faultstring></e:Fault></e:Body></e:Envelope>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range []*fileSink{nil, newFileSink(io.Discard, 1<<20, nil)} {
			r := &reply{op: "test"}
			if err := r.read(bytes.NewReader(b), 1<<16, file); err != nil {
				if ClassOf(err) == "" {
					t.Fatalf("an error without class: %v", err)
				}
				continue
			}
			_ = r.failure()
		}
	})
}

func FuzzBase64AgreesWithTheStandardLibrary(f *testing.F) {
	f.Add([]byte("QUJDREVGR0g="), 3)
	f.Add([]byte("QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVG\nQQ=="), 50)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if bytes.ContainsAny(text, " \t&") {
			return // the standard library knows no blanks and no references
		}
		want, wantErr := base64.StdEncoding.DecodeString(string(text))
		var d base64Decoder
		cut = min(max(cut, 0), len(text))
		got, err := d.decode(nil, text[:cut])
		if err == nil {
			got, err = d.decode(got, text[cut:])
		}
		if err == nil {
			err = d.finish()
		}
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%q, %v; the standard library says %q, %v", got, err, want, wantErr)
		}
	})
}

func BenchmarkBase64(b *testing.B) {
	text := bytes.Repeat([]byte("QUJDREVG"), 2<<10)
	var d base64Decoder
	out := make([]byte, 0, 64<<10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, err = d.decode(out[:0], text); err != nil {
			b.Fatal(err)
		}
	}
}
