package soma

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	listHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<e:Envelope xmlns:e="x"><e:Body><dp:response xmlns:dp="` + Namespace + `"><dp:timestamp>%s</dp:timestamp><dp:status>`
	listTail = `</dp:status></dp:response></e:Body></e:Envelope>`
)

func domainRow(name, command string) string {
	return `<DomainStatus xmlns:env="u"><Domain>` + name + `</Domain><SaveNeeded>off</SaveNeeded><CurrentCommand>` + command + `</CurrentCommand><QuiesceState/></DomainStatus>`
}

// domainReply is what a device with n domains answers at a minute; rows replace those of their place.
func domainReply(n, minute int, rows map[int]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, listHead, fmt.Sprintf("2026-11-28T08:%02d:35-05:00", minute))
	for i := range n {
		row, ok := rows[i]
		if !ok {
			row = domainRow(fmt.Sprintf("app%d", i), "")
		}
		b.WriteString(row)
	}
	return b.String() + listTail
}

// counted is a list of domains that counts the rows it decodes.
func counted() (*rowList[Domain], *int) {
	n := new(int)
	return &rowList[Domain]{class: domainStatus, decode: func(node *Node) (Domain, string) { *n++; return domainOf(node) }}, n
}

func readList(l *rowList[Domain], text string) ([]Domain, string, error) {
	r := &reply{op: "test"}
	rows, err := l.read(r, strings.NewReader(text), 16<<20)
	if err != nil {
		return nil, "", err
	}
	return rows, r.timestamp, nil
}

func TestARowThatHasNotChangedIsDecodedOnce(t *testing.T) {
	t.Parallel()
	l, decoded := counted()
	for minute, c := range []struct {
		rows    map[int]string
		n, want int
	}{
		{nil, 200, 200},
		{nil, 200, 0},
		{map[int]string{7: domainRow("app7", "backup"), 8: "\n" + domainRow("app8", "")}, 200, 2},
		{map[int]string{7: domainRow("app7", "backup"), 8: "\n" + domainRow("app8", "")}, 200, 0},
		{nil, 200, 2},
		{nil, 198, 0},
		{nil, 199, 1},
	} {
		*decoded = 0
		text := domainReply(c.n, minute, c.rows)
		got, stamp, err := readList(l, text)
		if err != nil {
			t.Fatal(err)
		}
		if *decoded != c.want {
			t.Errorf("reply %d: %d rows were decoded, want %d", minute, *decoded, c.want)
		}
		fresh, _ := counted()
		want, wantStamp, err := readList(fresh, text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || stamp != wantStamp {
			t.Errorf("reply %d: %v, at %s, want %s: %s", minute, err, stamp, wantStamp, diff)
		}
	}
}

func TestAStatusListThatIsKnownIsReadWithoutMemoryForItsRows(t *testing.T) {
	// Not parallel: it measures allocation.
	l, _ := counted()
	text := []byte(domainReply(200, 1, nil))
	in, r := bytes.NewReader(text), &reply{op: "test"}
	allocated := testing.AllocsPerRun(50, func() {
		in.Reset(text)
		if rows, err := l.read(r, in, 16<<20); err != nil || len(rows) != 200 {
			t.Fatal(len(rows), err)
		}
	})
	if allocated > 5 {
		t.Errorf("%v allocations for a reply of 200 rows that says what the last one said", allocated)
	}
}

// FuzzARowListReadsWhatAFreshOneReads gives one list two replies: what it makes of the second must be what one makes that has seen none.
func FuzzARowListReadsWhatAFreshOneReads(f *testing.F) {
	first := domainReply(3, 1, nil)
	for _, second := range []string{
		first, domainReply(3, 2, nil), domainReply(2, 2, nil), domainReply(5, 2, nil), domainReply(0, 2, nil), domainReply(3, 2, map[int]string{1: domainRow("", "")}),
		domainReply(3, 2, map[int]string{1: domainRow("app1", "&amp;<![CDATA[x]]>")}), domainReply(3, 2, map[int]string{1: "<Other/>"}), domainReply(3, 2, map[int]string{1: "<!-- x -->"}),
		domainReply(3, 2, map[int]string{1: domainRow("a", "")[:40]}), domainReply(3, 2, map[int]string{2: "</dp:status><dp:status>"}), first[:len(first)-20], first[:300], first + "x", first + "<a/>",
		domainReply(3, 2, map[int]string{1: `</dp:status><dp:result>Authentication failure</dp:result><dp:status>`}), strings.Replace(first, "dp:status>", "dp:config>", 2),
		strings.Replace(first, "<dp:timestamp>", "<dp:timestamp> ", 1), strings.Replace(first, Namespace, "urn:other", 1), strings.Replace(first, "off</SaveNeeded></DomainStatus>", "off", 1),
	} {
		f.Add(first, second)
		f.Add(second, first)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		l, _ := counted()
		_, _, _ = readList(l, first)
		for _, text := range []string{second, first, second} {
			got, stamp, err := readList(l, text)
			fresh, _ := counted()
			want, wantStamp, wantErr := readList(fresh, text)
			if diff := cmp.Diff(want, got); diff != "" || stamp != wantStamp || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%q\nafter others: %v %q\nafter none: %v %q\n%s", text, err, stamp, wantErr, wantStamp, diff)
			}
		}
	})
}
