package appliance

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// Files that are there from the start: stores are never empty. They take no
// space that is counted, and no state lists them.

// delivered are the files of store: that every domain sees, and their
// directories. There are hundreds on a real gateway.
var delivered = sync.OnceValue(func() []string {
	out := []string{"store:/identity.xsl", "store:/xml-mgmt.xsd", "store:/xml-mgmt-base.xsd", "store:/xml-mgmt-ops.xsd", "store:/app-mgmt-protocol.wsdl", "store:/dp/aaapolicy.xsl", "store:/schemas/soap-envelope.xsd"}
	for i := range 300 {
		out = append(out, fmt.Sprintf("store:/%s/part-%03d.xsl", []string{"dp", "schemas", "policies", "gatewayscript"}[i%4], i))
	}
	return out
})

// contentFile stands for the files of local: that a domain's archives hold.
const contentFile = "local:/content.xml"

// deflated is how many times larger files are than the archives of them, at least.
const deflated = 5

// standing are the files that a domain has from the start.
func standing(domain string) []string {
	return append([]string{contentFile, "config:/" + domain + ".cfg", "logtemp:/default-log", "logtemp:/default-log-xml", "pubcert:/root-ca.pem"}, delivered()...)
}

func (a *Appliance) standingText(domain, normal string) string {
	line := fmt.Sprintf("# %s of domain %s\n", normal, domain)
	if normal == contentFile {
		size := a.contentSize(domain)
		return strings.Repeat(line, int(size)/len(line)+1)[:size]
	}
	return strings.Repeat(line, 4+len(normal)%7)
}

func (a *Appliance) standingSize(domain, normal string) int64 {
	if normal == contentFile {
		return a.contentSize(domain)
	}
	return int64(len(a.standingText(domain, normal)))
}

// contentSize is how large the files of a domain in local: are.
func (a *Appliance) contentSize(domain string) int64 {
	size, _ := a.sizes.Load(domain)
	n, _ := size.(int64)
	return deflated * n
}

// standingFile is such a file as one that was written, or nil.
func (a *Appliance) standingFile(domain, normal string) *File {
	if !slices.Contains(standing(domain), normal) {
		return nil
	}
	return &File{Size: a.standingSize(domain, normal), Modified: a.started}
}

// read fills in the content of a file that was there from the start.
func (a *Appliance) readStanding(domain, normal string, f *File) error {
	text := a.standingText(domain, normal)
	blob, err := a.once(archiveKey{domain: domain, sealed: normal}, func() (*spool.Blob, error) {
		return a.Spool.Add(f.Size, false, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	})
	f.blob = blob
	return err
}

// standingDirs are the directories of those files.
func standingDirs(domain string) map[string]bool {
	out := map[string]bool{}
	for _, name := range standing(domain) {
		if dir := path.Dir(name); strings.Contains(dir, ":/") {
			out[dir] = true
		}
	}
	return out
}
