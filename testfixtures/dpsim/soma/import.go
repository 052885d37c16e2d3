package soma

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
	"github.com/dprun/dprun/testfixtures/dpsim/config"
)

// importPackage carries out a do-import.
func (x *exchange) importPackage(req *request) (*reply, error) {
	content, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(req.op.child("input-file").text), ""))
	if err != nil || len(content) == 0 {
		return nil, &appliance.Refusal{Text: "Import failed.", Log: true}
	}
	r := appliance.Import{
		Content: content, XML: req.op.attrs["source-type"] == "XML",
		DryRun: req.op.flag("dry-run"), OverwriteObjects: req.op.flag("overwrite-objects"), OverwriteFiles: req.op.flag("overwrite-files"), RewriteLocalIP: req.op.flag("rewrite-local-ip"),
		PolicyName: req.op.attrs["deployment-policy"], VariablesName: req.op.attrs["deployment-policy-variables"],
	}
	for _, c := range req.op.children {
		selected := config.Selected{Class: c.attrs["class"], Name: c.attrs["name"]}
		if text, given := c.attrs["overwrite"]; given {
			yes := truth(text)
			selected.Overwrite = &yes
		}
		switch {
		case c.name == "object" && selected.Class != "":
			r.Objects = append(r.Objects, selected)
		case c.name == "file":
			r.Files = append(r.Files, selected)
		case c.name == "deployment-policy":
			r.Policy = inline(c, r.Policy.Variables)
		case c.name == "deployment-policy-variables":
			r.Policy.Variables = map[string]string{}
			for _, p := range c.children {
				if p.name == "DeploymentPolicyParameter" {
					r.Policy.Variables[p.value("ParameterName")] = p.value("ParameterValue")
				}
			}
		}
	}
	done, err := x.app.Import(req.domain, r)
	if err != nil {
		return nil, err
	}
	return good(x.app.Now(), "<dp:import>"+results(done)+"</dp:import>"), nil
}

func inline(n *node, variables map[string]string) config.Policy {
	p := config.Policy{Variables: variables}
	for _, c := range n.children {
		switch text := strings.TrimSpace(c.text); c.name {
		case "AcceptedConfig":
			p.Accepted = append(p.Accepted, text)
		case "FilteredConfig":
			p.Filtered = append(p.Filtered, text)
		case "ModifiedConfig":
			p.Modified = append(p.Modified, config.Modify{Match: c.value("Match"), Type: c.value("Type"), Property: c.value("Property"), Value: c.value("Value")})
		}
	}
	return p
}

// results are the import-results. A dry run has neither of the two logs.
func results(done *appliance.Imported) string {
	has := func(kind string) bool { return slices.Contains(done.Spoilt, kind) }
	domain := ` domain="` + esc(done.Domain) + `"`
	if has("no_domain") {
		domain = ""
	}
	if has("empty") {
		return "<import-results" + domain + "/>"
	}
	word := func(status string) string {
		if done.Word != "" && status != "" {
			return esc(done.Word)
		}
		return esc(status)
	}
	list := func(element string, rows ...string) string { return wrap(element, strings.Join(rows, "")) }
	var files, objects, scripts, copies []string
	for _, f := range done.Files {
		files = append(files, fmt.Sprintf(`<file name="%s" src="%s" status="%s" hash="%s"/>`, esc(f.Name), esc(f.Source), word(f.Status), esc(f.Hash)))
		switch {
		case f.Result == "":
		case f.Reason != "":
			copies = append(copies, fmt.Sprintf(`<file-result name="%s" result="%s"><reason>%s</reason></file-result>`, esc(f.Name), word(f.Result), esc(f.Reason)))
		default:
			copies = append(copies, fmt.Sprintf(`<file-result name="%s" result="%s"/>`, esc(f.Name), word(f.Result)))
		}
	}
	for _, o := range done.Objects {
		objects = append(objects, fmt.Sprintf(`<object class="%s" name="%s" status="%s"/>`, esc(o.Class), esc(o.Name), word(o.Status)))
		if o.Result != "" {
			scripts = append(scripts, fmt.Sprintf(`<cfg-result class="%s" name="%s" status="%s"/>`, esc(o.Class), esc(o.Name), word(o.Result)))
		}
	}
	parts := []string{list("export-details", done.Details), fmt.Sprintf("<detected-errors>%t</detected-errors>", done.DetectedErrors), list("imported-files", files...), list("imported-objects", objects...)}
	if !done.DryRun && !has("no_logs") {
		parts = append(parts, list("exec-script-results", scripts...), list("file-copy-log", copies...))
	}
	if has("order") {
		slices.Reverse(parts)
	}
	return "<import-results" + domain + ">" + strings.Join(parts, "") + "</import-results>"
}
