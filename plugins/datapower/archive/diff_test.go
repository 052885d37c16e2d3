package archive_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// element is an element of a configuration to build.
type element struct {
	class, text string
	attrs       []string // name, value, name, value …
	kids        []*element
}

func el(class, text string, kids ...*element) *element {
	return &element{class: class, text: text, kids: kids}
}

func object(class, name string, kids ...*element) *element {
	return &element{class: class, attrs: []string{"name", name}, kids: kids}
}

func (e *element) write(b *strings.Builder, gap string) {
	fmt.Fprintf(b, "<%s", e.class)
	for i := 0; i < len(e.attrs); i += 2 {
		fmt.Fprintf(b, " %s=\"%s\"", e.attrs[i], html.EscapeString(e.attrs[i+1]))
	}
	b.WriteString(">" + html.EscapeString(e.text))
	for _, k := range e.kids {
		b.WriteString(gap)
		k.write(b, gap)
	}
	fmt.Fprintf(b, "</%s>", e.class)
}

// domain is an export to build.
type domain struct {
	name    string
	objects []*element
	files   []file
	listed  string // more rows of the list
	comment string
	gap     string
}

func (d domain) zip(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	when := fmt.Sprintf(details, d.name)
	if d.comment != "" {
		when = strings.NewReplacer("17:56:14", "03:04:05", "<user>admin", "<user>"+d.comment, "gw&amp;1", "gw2", "336212", "1").Replace(when)
	}
	fmt.Fprintf(&b, `<datapower-configuration version="3">%s<configuration domain="%s">`, when, d.name)
	for _, o := range d.objects {
		b.WriteString(d.gap)
		o.write(&b, d.gap)
	}
	b.WriteString(`</configuration><files>`)
	for _, f := range d.files {
		if f.hash != "-" {
			fmt.Fprintf(&b, `<file name="local:///x" src="%s" hash="%s"/>`, html.EscapeString(f.name), sha1Of(f.data))
		}
	}
	b.WriteString(d.listed + `</files></datapower-configuration>`)
	return pack(t, append(slices.Clone(d.files), file{name: "export.xml", data: b.String()})...)
}

func onDisk(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	need.Done(t, os.WriteFile(path, data, 0o600))
	return path
}

func diffOf(t testing.TB, a, b []byte) *archive.Diff {
	t.Helper()
	dir := t.TempDir()
	d, err := archive.Verifier{TempDir: dir}.Diff(context.Background(), onDisk(t, dir, "a.zip", a), onDisk(t, dir, "b.zip", b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// told gives differences one a line: what changed, then each property.
func told(d *archive.Diff) []string {
	var out []string
	for _, x := range d.Differences {
		line := fmt.Sprintf("%s %s %s %s %s", x.Domain, x.What, x.Change, x.Class, x.Name)
		if x.LinesAdded+x.LinesRemoved > 0 {
			line += fmt.Sprintf(" +%d -%d", x.LinesAdded, x.LinesRemoved)
		}
		if x.OldSize+x.NewSize > 0 {
			line += fmt.Sprintf(" %d -> %d", x.OldSize, x.NewSize)
		}
		out = append(out, strings.Join(strings.Fields(line+" "+x.Text), " "))
		for _, p := range x.Properties {
			out = append(out, fmt.Sprintf("  %s %s %q %q", p.Path, p.Change, p.Old, p.New))
			if p.Hidden {
				out[len(out)-1] += " hidden"
			}
		}
	}
	return out
}

func wantTold(t *testing.T, d *archive.Diff, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told(d)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func orders() domain {
	return domain{
		name: "orders",
		objects: []*element{
			object("HTTPService", "2229", el("mAdminState", "enabled"), el("LocalPort", "2229")),
			object("MultiProtocolGateway", "orders",
				el("FrontProtocol", "a"), el("FrontProtocol", "b"), el("FrontProtocol", "c"),
				el("AllowedFeatures", "", el("GET", "off"), el("POST", "on")),
				el("StyleRules", "", el("Match", "m1"), el("Rule", "r1")), el("StyleRules", "", el("Match", "m2"), el("Rule", "r2")),
				&element{class: "XMLManager", text: "default", attrs: []string{"class", "XMLManager"}}),
			object("URLMap", "all", el("Pattern", "*")),
			object("URLMap", "all", el("Pattern", "/x")),
		},
		files: []file{
			{name: "local/a.xsl", data: "one\ntwo\nthree\n"},
			{name: "local/b.bin", data: "\x00\x01"},
			{name: "config/orders.cfg", hash: "-", data: "top; configure terminal;\n\n# configuration generated Thu Apr 19 10:19:12 2018; firmware version 298100\n\nhttp\n"},
		},
		listed: `<file name="cert:///k.pem" src="cert/k.pem" key="true"/>`,
	}
}

func TestExportsOfAnUnchangedDomainDoNotDiffer(t *testing.T) {
	t.Parallel()
	a, b := orders(), orders()
	b.comment, b.gap = "somebody", "\n   "
	first := b.objects[0]
	b.objects = append(b.objects[1:], first)
	slices.Reverse(first.kids)
	slices.Reverse(b.files)
	b.files[0].data = strings.NewReplacer("Thu Apr 19 10:19:12 2018", "Fri Mar  1 00:00:00 2019", "298100", "298101").Replace(b.files[0].data)
	d := diffOf(t, a.zip(t), b.zip(t))
	wantTold(t, d)
	if d.Withheld != 1 || d.A.Domains[0] != "orders" || d.B.Device.Name != "gw2" {
		t.Errorf("withheld %d, reports %+v %+v", d.Withheld, d.A, d.B)
	}
}

// XML has several ways to write one text.
func TestTheSpellingOfATextDoesNotCount(t *testing.T) {
	t.Parallel()
	spelt := func(text string) []byte {
		return pack(t, file{name: "export.xml", data: fmt.Sprintf(`<datapower-configuration version="3">%s<configuration domain="d"><URLMap name='m&amp;'><Pattern>%s</Pattern></URLMap></configuration><files/></datapower-configuration>`,
			fmt.Sprintf(details, "d"), text)})
	}
	a := spelt("a&amp;lt;b&#x3e;")
	wantTold(t, diffOf(t, a, spelt("<![CDATA[a&lt;b]]>&gt;")))
	wantTold(t, diffOf(t, a, spelt("a&lt;b>")), "d object changed URLMap m&", `  Pattern changed "a&lt;b>" "a<b>"`)
}

func TestOfLongValuesTheFirstDifferenceIsTold(t *testing.T) {
	t.Parallel()
	a, b := domain{name: "d"}, domain{name: "d"}
	text := strings.Repeat("é", 1000)
	a.objects = append(a.objects, object("URLMap", "m", el("Pattern", text+"a")))
	b.objects = append(b.objects, object("URLMap", "m", el("Pattern", text+"b")))
	context := "…" + strings.Repeat("é", 20)
	wantTold(t, diffOf(t, a.zip(t), b.zip(t)), "d object changed URLMap m", fmt.Sprintf("  Pattern changed %q %q", context+"a", context+"b"))
}

func TestOfTooMuchOnlyTheNamesAreTold(t *testing.T) {
	t.Parallel()
	a, b := domain{name: "d"}, domain{name: "d"}
	for i := range 3 {
		text := strings.Repeat("x", 15<<20)
		a.objects = append(a.objects, object("WSGateway", fmt.Sprint(i), el("Summary", text)))
		b.objects = append(b.objects, object("WSGateway", fmt.Sprint(i), el("Summary", text+"y")))
	}
	value := `  Summary changed "" "" hidden`
	wantTold(t, diffOf(t, a.zip(t), b.zip(t)), "d object changed WSGateway 0", value, "d object changed WSGateway 1", value,
		"d object changed WSGateway 2 too much changed to name its properties")
}

func TestWhatDiffersIsNamed(t *testing.T) {
	t.Parallel()
	a, b := orders(), orders()
	gateway := b.objects[1]
	gateway.kids = slices.Delete(gateway.kids, 0, 1)                              // FrontProtocol a
	gateway.kids = slices.Insert(gateway.kids, 2, el("FrontProtocol", "<d>\x7f")) // after c
	gateway.kids[3].kids[0].text = "on"
	gateway.kids[5].kids[1].text = "r3"
	gateway.kids[6].attrs[1] = "Other"
	gateway.kids[6].text = "mine"
	b.objects[3].kids[0].text = "/y"
	b.objects = append(b.objects[1:], object("AAAPolicy", "new"))
	b.files[0].data = "one\n2\nthree\nfour\n"
	b.files[1].data = "\x00\x02\x03"
	b.files[2].data = strings.ReplaceAll(b.files[2].data, "http\n", "https\n")
	b.files = append(b.files, file{name: "local/new", data: "x"})
	b.listed = `<file name="cert:///l.pem" src="cert/l.pem" key="true"/>`
	wantTold(t, diffOf(t, a.zip(t), b.zip(t)),
		"orders object added AAAPolicy new",
		"orders object removed HTTPService 2229",
		"orders object changed MultiProtocolGateway orders",
		`  AllowedFeatures/GET changed "off" "on"`,
		`  FrontProtocol[1] removed "a" ""`,
		`  FrontProtocol[3] added "" "<d>?"`,
		`  StyleRules[2]/Rule changed "r2" "r3"`,
		`  XMLManager/@class changed "XMLManager" "Other"`,
		`  XMLManager changed "default" "mine"`,
		"orders object changed URLMap all (2)",
		`  Pattern changed "/x" "/y"`,
		"orders file removed cert/k.pem only its name is exported",
		"orders file added cert/l.pem only its name is exported",
		"orders file changed config/orders.cfg +1 -1 108 -> 109",
		"orders file changed local/a.xsl +2 -1 14 -> 17",
		"orders file changed local/b.bin 2 -> 3",
		"orders file added local/new 0 -> 1",
	)
}

func TestTheOrderOfValuesCounts(t *testing.T) {
	t.Parallel()
	a, b := orders(), orders()
	k := b.objects[1].kids
	k[0], k[2] = k[2], k[0]
	wantTold(t, diffOf(t, a.zip(t), b.zip(t)), "orders object changed MultiProtocolGateway orders",
		`  FrontProtocol[1] removed "a" ""`, `  FrontProtocol[2] removed "b" ""`, `  FrontProtocol[2] added "" "b"`, `  FrontProtocol[3] added "" "a"`)
}

// Each of these holds the same word before and after, in ways in which exports hold secrets. It must not be in what is told.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	parameter := func(name, value string) *element {
		return el("StylesheetParameters", "", el("ParameterName", name), el("ParameterValue", value))
	}
	attribute := func(value string) *element {
		return &element{class: "Server", text: "s", attrs: []string{"Password", value}}
	}
	reference := func(name string) *element {
		return &element{class: "PasswordAlias", text: name, attrs: []string{"class", "PasswordAlias"}}
	}
	for name, c := range map[string]struct {
		class string
		make  func(secret string) *element
		path  string
	}{
		"password":     {"XMLManager", func(s string) *element { return el("Password", s) }, "Password"},
		"masked":       {"XMLManager", func(s string) *element { return el("BindPass", "AAA="+s) }, "BindPass"},
		"community":    {"SNMPSettings", func(s string) *element { return el("Policies", "", el("Community", s), el("Mode", "ro")) }, "Policies/Community"},
		"hash":         {"User", func(s string) *element { return el("HashedPassword", "$1$"+s) }, "HashedPassword"},
		"old password": {"User", func(s string) *element { return el("HashedPasswords", "", el("X", s), el("Y", "y")) }, "HashedPasswords/X"},
		"LTPA":         {"ISAMReverseProxy", func(s string) *element { return el("LTPAKeyFilePw", s) }, "LTPAKeyFilePw"},
		"alias":        {"PasswordAlias", func(s string) *element { return el("UserSummary", s) }, "UserSummary"},
		"map":          {"PasswordMap", func(s string) *element { return el("Entry", "", el("Of", s)) }, "Entry/Of"},
		"address":      {"LogTarget", func(s string) *element { return el("URL", "ftp://me:"+s+"@host/x") }, "URL"},
		"connection":   {"SQLDataSource", func(s string) *element { return el("Config", "Driver=x;PWD = "+s) }, "Config"},
		"parameter":    {"StylePolicyAction", func(s string) *element { return parameter("{http://x}password", s) }, "StylesheetParameters/ParameterValue"},
		"header": {"WebAppFW", func(s string) *element {
			return el("Inject", "", el("HeaderTag", "Authorization"), el("HeaderTagValue", s))
		}, "Inject/HeaderTagValue"},
		"bearer":    {"WebAppFW", func(s string) *element { return el("Header", "Bearer "+s) }, "Header"},
		"attribute": {"XMLManager", attribute, "Server/@Password"},
		"policy": {"ConfigDeploymentPolicy", func(s string) *element {
			return el("ModifiedConfig", "", el("Match", "*/*/*?Name=.*&Property=Password"), el("Value", s))
		}, "ModifiedConfig/Value"},
		"policy variable": {"DeploymentPolicyParametersBinding", func(s string) *element {
			return el("DeploymentPolicyParameter", "", el("ParameterName", "db_pwd"), el("ParameterValue", s))
		}, "DeploymentPolicyParameter/ParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := orders(), orders()
			a.objects = append(a.objects, object(c.class, "o", c.make("swordfish-1")))
			b.objects = append(b.objects, object(c.class, "o", c.make("swordfish-2")))
			wantTold(t, diffOf(t, a.zip(t), b.zip(t)), "orders object changed "+c.class+" o", "  "+c.path+` changed "" "" hidden`)

			a.objects[4].kids = nil
			d := diffOf(t, a.zip(t), b.zip(t))
			if text := strings.Join(told(d), "\n"); len(d.Differences) != 1 || len(d.Differences[0].Properties) == 0 || strings.Contains(text, "swordfish") {
				t.Errorf("added: %s", text)
			}
		})
	}
	a, b := orders(), orders()
	a.objects = append(a.objects, object("CryptoKey", "k", reference("old-alias")))
	b.objects = append(b.objects, object("CryptoKey", "k", reference("new-alias")))
	wantTold(t, diffOf(t, a.zip(t), b.zip(t)), "orders object changed CryptoKey k", `  PasswordAlias changed "old-alias" "new-alias"`)
}

func TestBackupsAreComparedByDomain(t *testing.T) {
	t.Parallel()
	backup := func(domains ...domain) []byte {
		var b strings.Builder
		fmt.Fprintf(&b, `<datapower-configuration version="3">%s<configuration>`, fmt.Sprintf(details, "default"))
		for _, d := range domains {
			fmt.Fprintf(&b, `<Domain name="%s"/>`, d.name)
		}
		b.WriteString(`</configuration><domains>`)
		files := []file{{name: "dp-aux/clixform.xsl", data: "x" + domains[0].comment}}
		for _, d := range domains {
			fmt.Fprintf(&b, `<domain name="%s"/>`, d.name)
			files = append(files, file{name: d.name + ".zip", data: string(d.zip(t))})
		}
		b.WriteString(`</domains></datapower-configuration>`)
		return pack(t, append(files, file{name: "export.xml", data: b.String()})...)
	}
	stock, gone, came := orders(), orders(), orders()
	stock.name, gone.name, came.name = "stock", "gone", "came"
	a := backup(orders(), stock, gone)
	wantTold(t, diffOf(t, a, backup(gone, orders(), stock)))
	stock.objects[0].kids[1].text = "1"
	stock.files[0].data = "one\n"
	stock.comment = "x"
	b := backup(stock, came, orders())
	wantTold(t, diffOf(t, a, b),
		"object added Domain came", "object removed Domain gone", "file changed dp-aux/clixform.xsl +1 -1 1 -> 2",
		"came domain added", "gone domain removed",
		"stock object changed HTTPService 2229", `  LocalPort changed "2229" "1"`, "stock file changed local/a.xsl +0 -2 14 -> 4")
}

func TestWhatCannotBeComparedIsNotCalledSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := orders().zip(t)
	damaged := slices.Clone(whole)
	damaged[len(damaged)/3] ^= 0xff
	big := orders()
	big.objects = append(big.objects, object("WSGateway", "w", el("Summary", strings.Repeat("x", 17<<20))))
	policy := pack(t, file{name: "implementation/x.zip", data: string(whole)})
	need.Done(t, os.Mkdir(filepath.Join(dir, "secure"), 0o700))
	bomb := strings.Replace(string(exportList("d", nil, "").data), "<datapower", `<!DOCTYPE x [<!ENTITY a "aaaa">]><datapower`, 1)
	for name, data := range map[string][]byte{
		"whole": whole, "damaged": damaged, "big": big.zip(t), "policy": policy, "none": []byte("x"), "empty": nil, "entities": pack(t, file{name: "export.xml", data: bomb}),
	} {
		onDisk(t, dir, name, data)
	}
	var notWhole *archive.NotWhole
	for name, want := range map[string]string{
		"damaged": "", "big": "", "none": "", "empty": "", "entities": "",
		"policy": "cannot be compared", "secure": "is encrypted", "absent": "no such file",
	} {
		for _, pair := range [][2]string{{"whole", name}, {name, "whole"}} {
			d, err := archive.Verifier{TempDir: t.TempDir()}.Diff(context.Background(), filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1]))
			switch {
			case err == nil:
				t.Errorf("%s: %v", pair, told(d))
			case want == "" && !errors.As(err, &notWhole), !strings.Contains(err.Error(), want):
				t.Errorf("%s: %v", pair, err)
			}
		}
	}
}

// Whatever changes in whatever export, in one place: it is told, and nothing else.
func TestOneChangeIsFoundAndNamedAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		a := anyDomain(r)
		packed := a.zip(t)
		b, want := changed(r, a)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "order"), 1))
		rng.Shuffle(len(b.objects), func(i, j int) { b.objects[i], b.objects[j] = b.objects[j], b.objects[i] })
		rng.Shuffle(len(b.files), func(i, j int) { b.files[i], b.files[j] = b.files[j], b.files[i] })
		b.gap, b.comment = rapid.SampledFrom([]string{"", "\n", "  "}).Draw(r, "gap"), rapid.SampledFrom([]string{"", "me"}).Draw(r, "comment")
		d, err := archive.Verifier{Workers: 1}.Diff(context.Background(), onDisk(t, dir, "a.zip", packed), onDisk(t, dir, "b.zip", b.zip(t)))
		if err != nil {
			r.Fatal(err)
		}
		var got []string
		for _, x := range d.Differences {
			line := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", x.Change, x.Class, x.Name)), " ")
			for _, p := range x.Properties {
				line += fmt.Sprintf(" %s %s", p.Change, p.Path)
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("-want +got:\n%s", diff)
		}
	})
}

// anyDomain draws an export of a few objects with values, lists of values and structures; every value is another, so that a change shows in one place.
func anyDomain(r *rapid.T) domain {
	n := 0
	unique := func() string { n++; return fmt.Sprintf("v%d é<&\"", n) }
	var structure func(class string, depth int) *element
	structure = func(class string, depth int) *element {
		e := el(class, "")
		for i := range rapid.IntRange(1, 4).Draw(r, "properties") {
			name := fmt.Sprintf("P%d", i)
			switch kind := rapid.SampledFrom([]string{"one", "list", "structure", "reference"}).Draw(r, "kind"); {
			case kind == "structure" && depth < 4:
				for range rapid.IntRange(1, 3).Draw(r, "structures") {
					e.kids = append(e.kids, structure(name, depth+1))
				}
			case kind == "list":
				for range rapid.IntRange(2, 5).Draw(r, "values") {
					e.kids = append(e.kids, el(name, unique()))
				}
			case kind == "reference":
				e.kids = append(e.kids, &element{class: name, text: unique(), attrs: []string{"class", unique()}})
			default:
				e.kids = append(e.kids, el(name, unique()))
			}
		}
		return e
	}
	d := domain{name: "orders"}
	for i := range rapid.IntRange(1, 5).Draw(r, "objects") {
		o := structure(fmt.Sprintf("Class%d", i%3), 0)
		o.attrs = []string{"name", fmt.Sprintf("o%d", i)}
		d.objects = append(d.objects, o)
	}
	for i := range rapid.IntRange(1, 4).Draw(r, "files") {
		d.files = append(d.files, file{name: fmt.Sprintf("local/f%d", i), data: unique()})
	}
	return d
}

// changed makes one change, and says what is to be told.
func changed(r *rapid.T, d domain) (domain, []string) {
	i := rapid.IntRange(0, len(d.objects)-1).Draw(r, "object")
	o := d.objects[i]
	called := o.class + " " + o.attrs[1]
	f := rapid.IntRange(0, len(d.files)-1).Draw(r, "file")
	switch rapid.SampledFrom([]string{"value", "reference", "insert", "delete", "object", "gone", "content", "new", "lost", "nothing"}).Draw(r, "change") {
	case "nothing":
		return d, nil
	case "object":
		d.objects = append(d.objects, object("Class0", "new", el("P0", "x")))
		return d, []string{"added Class0 new"}
	case "gone":
		d.objects = slices.Delete(slices.Clone(d.objects), i, i+1)
		return d, []string{"removed " + called}
	case "content":
		d.files[f].data += "more"
		return d, []string{"changed " + d.files[f].name}
	case "new":
		d.files = append(d.files, file{name: "local/new", data: "x"})
		return d, []string{"added local/new"}
	case "lost":
		name := d.files[f].name
		d.files = slices.Delete(slices.Clone(d.files), f, f+1)
		return d, []string{"removed " + name}
	case "insert":
		at, path := anyPart(r, o, true)
		at.kids = append(at.kids, el("New", "x"))
		return d, []string{"changed " + called + " added " + path + "New"}
	case "delete":
		at, path := anyPart(r, o, true)
		k := rapid.IntRange(0, len(at.kids)-1).Draw(r, "kid")
		path += step(at, k)
		at.kids = slices.Delete(at.kids, k, k+1)
		return d, []string{"changed " + called + " removed " + path}
	case "reference":
		at, path := anyPart(r, o, false)
		at.attrs = append(at.attrs, "more", "x")
		return d, []string{"changed " + called + " added " + path + "@more"}
	}
	at, path := anyPart(r, o, false)
	for len(at.kids) > 0 {
		path += step(at, 0) + "/"
		at = at.kids[0]
	}
	at.text += "!"
	return d, []string{"changed " + called + " changed " + strings.TrimSuffix(path, "/")}
}

// step is how a kid of an element is called.
func step(e *element, k int) string {
	same, nth := 0, 0
	for i, x := range e.kids {
		if x.class == e.kids[k].class {
			if same++; i <= k {
				nth++
			}
		}
	}
	if same == 1 {
		return e.kids[k].class
	}
	return fmt.Sprintf("%s[%d]", e.kids[k].class, nth)
}

// anyPart draws a part of an object, and the path that leads to what is in it; with inner it has parts itself.
func anyPart(r *rapid.T, o *element, inner bool) (*element, string) {
	path := ""
	for len(o.kids) > 0 && rapid.Bool().Draw(r, "deeper") {
		k := rapid.IntRange(0, len(o.kids)-1).Draw(r, "kid")
		if inner && len(o.kids[k].kids) == 0 {
			break
		}
		path += step(o, k) + "/"
		o = o.kids[k]
	}
	return o, path
}

func FuzzDiff(f *testing.F) {
	list := string(exportList("d", nil, "").data)
	f.Add(list, strings.Replace(list, `name="a"/>`, `name="a"><X>1<!-- --></X><X class="Y">&#2;</X></HTTPService>`, 1))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, a, b string) {
		diff := func(a, b string) []string {
			pack := func(name, list string) string {
				return onDisk(t, dir, name, pack(t, file{name: "export.xml", data: list}, file{name: "local/x", data: list}))
			}
			d, err := archive.Verifier{Workers: 1, TempDir: dir}.Diff(context.Background(), pack("a.zip", a), pack("b.zip", b))
			if err != nil {
				return []string{err.Error()}
			}
			return slices.DeleteFunc(told(d), func(line string) bool { return strings.HasPrefix(line, " ") })
		}
		if err := diff(a, a); len(err) > 0 && !strings.Contains(err[0], "is not whole") {
			t.Fatalf("an export differs from itself: %q", err)
		}
		if there, back := diff(a, b), diff(b, a); len(there) != len(back) {
			t.Fatalf("there %q, back %q", there, back)
		}
	})
}
