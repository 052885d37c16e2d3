package archive_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
)

func TestAnArchiveIsComparedWithWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	one := file{name: "local/a", data: "a"}
	backup := func(domains ...string) []byte {
		var list strings.Builder
		files := []file{}
		for _, d := range domains {
			fmt.Fprintf(&list, `<domain name="%s"/>`, d)
			files = append(files, file{name: d + ".zip", data: string(export(t, d, "", one))})
		}
		return pack(t, append(files, file{name: "export.xml", data: "<datapower-configuration>" + fmt.Sprintf(details, "default") + "<domains>" + list.String() + "</domains></datapower-configuration>"})...)
	}
	odd := strings.Replace(string(exportList("d", []file{one}, "").data), "7800163", " 00505  20338 ", 1)
	exported := archive.Asked{Kind: archive.KindExport, Serial: "7800163", Domains: []string{"d"}}
	backed := archive.Asked{Kind: archive.KindBackup, Serial: "7800163", Domains: []string{"a.b", "Q_A"}}
	for name, c := range map[string]struct {
		data  []byte
		asked archive.Asked
		want  []string
	}{
		"as asked":                     {export(t, "d", "", one), exported, nil},
		"of another domain":            {export(t, "D", "", one), exported, []string{"problem other-domain"}},
		"of another gateway":           {export(t, "d", "", one), archive.Asked{Kind: archive.KindExport, Serial: "7800164", Domains: []string{"d"}}, []string{"problem other-device"}},
		"serial not known":             {export(t, "d", "", one), archive.Asked{Kind: archive.KindExport, Domains: []string{"d"}}, nil},
		"serial with other blanks":     {pack(t, one, file{name: "export.xml", data: odd}), archive.Asked{Kind: archive.KindExport, Serial: "0050520338", Domains: []string{"d"}}, nil},
		"serial not told":              {pack(t, one, file{name: "export.xml", data: strings.Replace(odd, "00505  20338", "", 1)}), exported, []string{"warning other-device"}},
		"no file in the list":          {export(t, "d", ""), exported, []string{"problem no-files export.xml"}},
		"no zip":                       {[]byte("<html/>"), exported, []string{"problem structure"}},
		"all domains":                  {backup("a.b", "Q_A"), backed, nil},
		"a domain is missing":          {backup("a.b"), backed, []string{"problem missing-domain"}},
		"a domain that nobody asked":   {backup("a.b", "Q_A", "x"), backed, []string{"problem extra-domain"}},
		"a domain that came meanwhile": {backup("a.b", "Q_A", "x"), archive.Asked{Kind: archive.KindBackup, Domains: []string{"a.b"}, Also: []string{"x", "Q_A"}}, nil},
		"an export in place of all":    {export(t, "a.b", "", one), backed, []string{"problem list", "problem missing-domain"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := verify(t, c.data)
			r.Compare(c.asked)
			if got := lines(r.Findings); !cmp.Equal(got, c.want) {
				t.Errorf("%v, want %v\n%v", got, c.want, r.Findings)
			}
		})
	}
}

func TestWithheldFilesAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	r := verify(t, export(t, "d", `<file name="cert:///partner-root-ca.cer" src="cert/partner-root-ca.cer" location="cert" key="true"/>`+
		`<file name="sharedcert:///gateway.p12" src="sharedcert/gateway.p12" location="sharedcert" key="true"/>`, file{name: "local/a", data: "a"}))
	if d := cmp.Diff([]string{"cert/partner-root-ca.cer", "sharedcert/gateway.p12"}, r.Withheld); d != "" || !r.Whole() {
		t.Errorf("withheld (-want +got):\n%s\n%v", d, r.Findings)
	}
	for i, store := range []string{"cert:", "sharedcert:"} {
		if text := r.Findings[i].Text; text != "a file of "+store+" (key, certificate or secret) that the gateway does not export" {
			t.Errorf("%q", text)
		}
	}
}
