package runner

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

//go:embed backups_pack_readme.txt
var readmeText string

// readmeSet is a set as the readme names it.
type readmeSet struct {
	report.PackedSet
	Called, Archive string
}

// readme returns the text that a person reads first.
func (p *packing) readme(network bool) (string, error) {
	steps := 0
	text, err := template.New("README.txt").Funcs(template.FuncMap{
		"base": path.Base, "clean": archive.Printable,
		"time": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"step": func(title string) string { steps++; return fmt.Sprintf("%d. %s", steps, title) },
	}).Parse(readmeText)
	if err != nil {
		return "", err
	}
	var all, secure, domains, whole []readmeSet
	for _, s := range p.sets {
		set := readmeSet{s.PackedSet, "the whole device", s.archive}
		if s.Domain != "" {
			set.Called = archive.Printable(s.Domain)
		}
		all = append(all, set)
		if s.secure {
			secure = append(secure, set)
		}
		switch {
		case s.archive == "" || s.Domain == "default":
		case s.Domain == "":
			whole = append(whole, set)
		default:
			domains = append(domains, set)
		}
	}
	var b strings.Builder
	err = text.Execute(&b, map[string]any{"Device": p.request.Device, "At": p.at, "Plan": p.plan, "Gateway": p.gateway(), "Missing": p.out.Missing, "Network": network,
		"Sets": all, "Secure": secure, "Domains": domains, "Whole": whole})
	return b.String(), err
}

// readmeGateway says which box it was, and when.
type readmeGateway struct {
	At    time.Time
	Facts [][2]string // names and values
}

// gateway describes the box, from the newest set that knows it; nil: none does.
func (p *packing) gateway() *readmeGateway {
	newest := slices.Clone(p.sets)
	slices.SortFunc(newest, func(a, b packed) int { return b.Captured.Compare(a.Captured) })
	for _, s := range newest {
		var f sdk.Facts
		if len(s.manifest.Facts) > 0 && json.Unmarshal(s.manifest.Facts, &f) == nil {
			return &readmeGateway{s.Captured, [][2]string{{"name", f.DeviceName}, {"serial number", f.Serial}, {"machine type", f.Model},
				{"firmware", strings.TrimSpace(f.Firmware + " " + f.FirmwareBuild)}, {"backup mode", f.BackupMode}, {"identity", f.Identity}}}
		}
	}
	return nil
}
