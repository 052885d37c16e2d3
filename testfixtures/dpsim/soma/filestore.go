package soma

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// capabilities are the flags of each store; flags that are off are left out.
var capabilities = map[string]string{
	"local": "read write show exec del dir list", "temporary": "read write show exec del dir list",
	"logtemp": "read log show del dir list", "logstore": "read log show del list", "export": "read show del list",
	"config": "read write audit log show exec del list", "cert": "write audit log del list",
	"chkpoints": "read write del list", "policyframework": "read write show dir list",
	"pubcert": "read log show reference list", "sharedcert": "audit log reference list", "store": "read log show reference list",
}

func (x *exchange) filestore(req *request) (string, error) {
	location := req.op.attrs["location"]
	locations := []string{location}
	if location == "" {
		locations = nil
		for _, s := range appliance.Stores() {
			locations = append(locations, s+":")
		}
	}
	var b strings.Builder
	for _, l := range locations {
		listing, ok := x.app.List(req.domain, l)
		if !ok {
			return "", &appliance.Refusal{Text: "Cannot read the specified directory"}
		}
		store, _, _ := strings.Cut(listing.Path, ":")
		fmt.Fprintf(&b, `<location name="%s:"`, store)
		for _, flag := range strings.Fields(capabilities[store]) {
			fmt.Fprintf(&b, ` %s="true"`, flag)
		}
		b.WriteString(rowNS + ">")
		x.access(&b, store)
		switch {
		case req.op.flag("layout-only"):
			dirs, files := count(listing)
			fmt.Fprintf(&b, "<directories>%d</directories><files>%d</files>", dirs, files)
		case listing.Path == store+":":
			x.contents(&b, store, listing, !req.op.flag("no-subdirectories"))
		default:
			x.directory(&b, store, listing, !req.op.flag("no-subdirectories"))
		}
		b.WriteString("</location>")
	}
	return b.String(), nil
}

func (x *exchange) directory(b *strings.Builder, store string, l appliance.Listing, deep bool) {
	fmt.Fprintf(b, `<directory name="%s">`, esc(l.Path))
	x.contents(b, store, l, deep)
	b.WriteString("</directory>")
}

func (x *exchange) contents(b *strings.Builder, store string, l appliance.Listing, deep bool) {
	for _, d := range l.Dirs {
		if deep {
			x.directory(b, store, d, true)
		} else {
			fmt.Fprintf(b, `<directory name="%s"/>`, esc(d.Path))
		}
	}
	for _, f := range l.Files {
		fmt.Fprintf(b, `<file name="%s"><size>%s</size><modified>%s</modified>`, esc(f.Name), strconv.FormatInt(f.Size, 10), f.Modified.Format("2006-01-02 15:04:05"))
		x.access(b, store)
		b.WriteString("</file>")
	}
}

// access is what old firmware adds to every location and file.
func (x *exchange) access(b *strings.Builder, store string) {
	if !x.app.Profile().FilestoreAccess {
		return
	}
	b.WriteString("<Access>")
	for _, flag := range []struct{ name, element string }{{"read", "r"}, {"write", "w"}, {"exec", "x"}, {"del", "d"}, {"list", "l"}} {
		if strings.Contains(" "+capabilities[store]+" ", " "+flag.name+" ") {
			b.WriteString("<" + flag.element + ">on</" + flag.element + ">")
		} else {
			b.WriteString("<" + flag.element + "/>")
		}
	}
	b.WriteString("</Access>")
}

func count(l appliance.Listing) (dirs, files int) {
	files = len(l.Files)
	for _, d := range l.Dirs {
		subDirs, subFiles := count(d)
		dirs += subDirs + 1
		files += subFiles
	}
	return dirs, files
}
