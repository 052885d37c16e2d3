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

// standing are the files that a domain has from the start.
func standing(domain string) []string {
	return append([]string{"config:/" + domain + ".cfg", "logtemp:/default-log", "logtemp:/default-log-xml", "pubcert:/root-ca.pem"}, delivered()...)
}

func standingText(domain, normal string) string {
	line := fmt.Sprintf("# %s of domain %s\n", normal, domain)
	return strings.Repeat(line, 4+len(normal)%7)
}

// standingFile is such a file as one that was written, or nil.
func (a *Appliance) standingFile(domain, normal string) *File {
	if !slices.Contains(standing(domain), normal) {
		return nil
	}
	text := standingText(domain, normal)
	return &File{Size: int64(len(text)), Modified: a.started}
}

// read fills in the content of a file that was there from the start.
func (a *Appliance) readStanding(domain, normal string, f *File) error {
	text := standingText(domain, normal)
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
