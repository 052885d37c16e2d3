package fabricate

import (
	"fmt"
	"strings"
	"time"
)

const objectNS = ` xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:dp="http://www.datapower.com/schemas/management"`

const emptyRoot = `<datapower-configuration version="3"/>`

// exportXML is the table of contents of an export: who made it, the objects,
// and every file with its SHA-1.
func exportXML(e Export, entries []entry) []byte {
	var b strings.Builder
	if e.Flaw.EmptyRoot {
		return []byte(emptyRoot)
	}
	b.WriteString(`<datapower-configuration version="3">`)
	if !e.Flaw.NoDetails {
		details(&b, e.Device, e.Domain, e.User, e.Comment, e.Time)
	}
	fmt.Fprintf(&b, `<configuration domain="%s">`, esc(e.Domain))
	b.WriteString(e.Objects)
	b.WriteString(`</configuration>`)
	if !e.Flaw.NoFiles {
		b.WriteString(`<files>`)
		for _, f := range entries {
			if f.uri != "" {
				fileRow(&b, f)
			}
		}
		b.WriteString(`</files>`)
	}
	b.WriteString(`</datapower-configuration>`)
	return []byte(b.String())
}

func fileRow(b *strings.Builder, f entry) {
	src := f.name
	if src == "" {
		src = f.location + "/" + strings.SplitN(f.uri, ":///", 2)[1]
	}
	fmt.Fprintf(b, `<file name="%s" src="%s" location="%s"`, esc(f.uri), esc(src), f.location)
	if f.internal {
		b.WriteString(` internal="true"`)
	}
	switch {
	case f.note != "":
		fmt.Fprintf(b, ` %s="true"`, f.note)
	case f.badHash:
		b.WriteString(` hash="AAAAAAAAAAAAAAAAAAAAAAAAAAA="`)
	default:
		fmt.Fprintf(b, ` hash="%s"`, f.payload.sha1)
	}
	b.WriteString(`/>`)
}

// backupXML is the outer export.xml of a multi-domain backup: Domain objects,
// no files.
func backupXML(d Device, user, comment string, at time.Time, domains []string, flaw Flaw) []byte {
	if flaw.EmptyRoot {
		return []byte(emptyRoot)
	}
	var b strings.Builder
	b.WriteString(`<datapower-configuration version="3">`)
	if !flaw.NoDetails {
		details(&b, d, "default", user, comment, at)
	}
	b.WriteString(`<configuration>`)
	for _, name := range domains {
		fmt.Fprintf(&b, `<Domain name="%s"%s>`+"\n<mAdminState>enabled</mAdminState>\n<NeighborDomain class=\"Domain\">default</NeighborDomain>\n<ConfigMode>local</ConfigMode>\n<ImportFormat>ZIP</ImportFormat>\n<MaxChkpoints>3</MaxChkpoints></Domain>", esc(name), objectNS)
	}
	b.WriteString(`</configuration>`)
	if !flaw.NoFiles {
		b.WriteString(`<domains>`)
		for _, name := range domains {
			fmt.Fprintf(&b, `<domain name="%s"/>`, esc(name))
		}
		b.WriteString(`</domains>`)
	}
	b.WriteString(`</datapower-configuration>`)
	return []byte(b.String())
}

func details(b *strings.Builder, d Device, domain, user, comment string, at time.Time) {
	if at.IsZero() {
		at = made
	}
	modern := d.Delivery != ""
	b.WriteString(`<export-details>`)
	element(b, "description", "Exported Configuration")
	element(b, "user", user)
	element(b, "domain", domain)
	element(b, "comment", comment)
	element(b, "product-id", d.ProductID)
	element(b, "product", d.Product)
	element(b, "display-product", d.Product)
	element(b, "model", d.Model)
	element(b, "display-model", d.Model)
	element(b, "device-name", d.Name)
	element(b, "serial-number", d.Serial)
	element(b, "firmware-version", d.Firmware)
	element(b, "display-firmware-version", d.Firmware)
	element(b, "firmware-build", d.Build)
	if modern {
		element(b, "delivery-type", d.Delivery)
	}
	element(b, "firmware-timestamp", d.BuildDate)
	element(b, "current-date", at.Format("2006-01-02"))
	element(b, "current-time", at.Format("15:04:05")+" "+d.Zone)
	element(b, "reset-date", "2025-11-01")
	element(b, "reset-time", "06:30:32 "+d.Zone)
	element(b, "login-message", "")
	element(b, "custom-ui-file", "")
	if d.Intrusion {
		element(b, "intrusion-detection", "disable")
	}
	b.WriteString(`</export-details><interface-data>`)
	if modern {
		fmt.Fprintf(b, `<interface name="%s" type="Ethernet" vers="ipv4" ip-addr="%s"/>`, d.Interface, d.InterfaceIP)
	} else {
		fmt.Fprintf(b, `<interface name="%s" ip-addr="%s"/>`, d.Interface, d.InterfaceIP)
	}
	b.WriteString(`</interface-data>`)
}

func element(b *strings.Builder, name, text string) {
	if text == "" {
		b.WriteString("<" + name + "/>")
		return
	}
	b.WriteString("<" + name + ">" + esc(text) + "</" + name + ">")
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// esc makes text fit for XML; apostrophes stay, as on the appliance.
func esc(s string) string { return escapes.Replace(s) }
