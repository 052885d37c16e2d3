package archive

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readPieces reads a list in pieces of n bytes.
func readPieces(doc string, n int) (*list, []listed, error) {
	var files []listed
	l := newList(func(f listed) { files = append(files, f) })
	for len(doc) > 0 {
		p := doc[:min(n, len(doc))]
		if err := l.write([]byte(p)); err != nil {
			return l, files, err
		}
		doc = doc[len(p):]
	}
	return l, files, l.finish()
}

const listDoc = "\xef\xbb\xbf<?xml version='1.0'?><!-- <file> -- > -->\n<dp:datapower-configuration xmlns:dp='urn:x'><export-details>\n" +
	`<device-name>a&lt;b&#x41;&#66;&nope;</device-name><domain><![CDATA[x<y>]]></domain></export-details><configuration domain="x"><A a='>'>t</A></configuration>` +
	`<files><file name="local:///a b" src = "local/a&amp;b" hash=' h= '/><file src="k" key="true"></file><file name="m" missing="true"/></files></dp:datapower-configuration>` + "\n"

func TestAListIsReadInPiecesOfAnySize(t *testing.T) {
	t.Parallel()
	want := []listed{{name: "local:///a b", src: "local/a&b", hash: "h="}, {src: "k", key: true}, {name: "m", missing: true}}
	for n := 1; n <= len(listDoc); n++ {
		l, files, err := readPieces(listDoc, n)
		if err != nil {
			t.Fatalf("pieces of %d: %v", n, err)
		}
		if diff := cmp.Diff(want, files, cmp.AllowUnexported(listed{})); diff != "" || l.device.Name != "a<bAB&nope;" || l.domain != "x<y>" {
			t.Fatalf("pieces of %d: %s, device %q, domain %q", n, diff, l.device.Name, l.domain)
		}
	}
}

func TestABrokenListIsRefused(t *testing.T) {
	t.Parallel()
	const root = "datapower-configuration"
	for name, doc := range map[string]string{
		"empty": "", "text": "hello", "cut": listDoc[:len(listDoc)-20], "not closed": "<" + root + ">", "crossed": "<" + root + "><a></b></" + root + ">",
		"two roots": "<" + root + "/><" + root + "/>", "text outside": "<" + root + "/>x", "end only": "</a>", "doctype": "<!DOCTYPE x><" + root + "/>",
		"deep": "<" + root + ">" + strings.Repeat("<a>", 300), "long tag": "<" + root + " a='" + strings.Repeat("x", 100_000) + "'/>",
		"no quotes": "<" + root + "><files><file src=x/></files></" + root + ">", "no name": "<" + root + "><files><file/></files></" + root + ">",
	} {
		if _, _, err := readPieces(doc, 7); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(listDoc), 3)
	f.Fuzz(func(t *testing.T, doc []byte, n int) {
		n = max(1, n&0xfff)
		_, inPieces, err := readPieces(string(doc), n)
		_, atOnce, errOnce := readPieces(string(doc), len(doc)+1)
		if (err == nil) != (errOnce == nil) {
			t.Fatalf("in pieces of %d: %v, at once: %v", n, err, errOnce)
		}
		if err == nil && !cmp.Equal(inPieces, atOnce, cmp.AllowUnexported(listed{})) {
			t.Fatalf("in pieces of %d: %v, at once: %v", n, inPieces, atOnce)
		}
	})
}
