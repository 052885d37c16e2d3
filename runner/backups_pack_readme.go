package runner

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/sdk"
)

// readme returns the text that a person reads first.
func (p *packing) readme(network bool) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("How to bring back the gateway %s\n", p.request.Device)
	say("Made %s from plan %s. Everything here can be used without dprun.", p.at.UTC().Format(time.RFC3339), p.plan)
	say("`sha256sum -c SHA256SUMS` in this directory checks all files.")
	say("The files are secrets: exports hold password hashes and may hold masked passwords.\n")
	p.gateway(say)
	say("What is here\n")
	for _, s := range p.sets {
		say("  %-20s captured %s  %s", p.called(s), s.Captured.UTC().Format(time.RFC3339), s.Dir)
	}
	for _, m := range p.out.Missing {
		say("  NOT HERE: %s %s: %s", archive.Printable(m.Domain), m.Activity, m.Why)
	}
	say("\nThe files are the stored ones: their SHA-256 was compared. Only an import shows whether the import works.\n")
	p.steps(say, network)
	return b.String()
}

func (p *packing) called(s packed) string {
	if s.Domain == "" {
		return "the whole device"
	}
	return archive.Printable(s.Domain)
}

// gateway names the box, from the newest set that knows it.
func (p *packing) gateway(say func(string, ...any)) {
	newest := slices.Clone(p.sets)
	slices.SortFunc(newest, func(a, b packed) int { return b.Captured.Compare(a.Captured) })
	for _, s := range newest {
		var f sdk.Facts
		if len(s.manifest.Facts) == 0 || json.Unmarshal(s.manifest.Facts, &f) != nil {
			continue
		}
		say("The gateway, as it was %s\n", s.Captured.UTC().Format(time.RFC3339))
		for _, line := range [][2]string{{"name", f.DeviceName}, {"serial number", f.Serial}, {"machine type", f.Model}, {"firmware", strings.TrimSpace(f.Firmware + " " + f.FirmwareBuild)},
			{"backup mode", f.BackupMode}, {"identity", f.Identity}} {
			if line[1] != "" {
				say("  %-14s %s", line[0], archive.Printable(line[1]))
			}
		}
		say("  dprun does not read licences and features: keep the gateway's list of them beside this.\n")
		return
	}
	say("Model and firmware of the gateway are in none of the sets.\n")
}

// steps lists what to do, in order.
func (p *packing) steps(say func(string, ...any), network bool) {
	n := 0
	step := func(title string) { n++; say("%d. %s\n", n, title) }
	say("What to do, in order\n")
	step("A gateway")
	say("   The same machine type, the same firmware level, the same licences and features. Physical and virtual do not mix.")
	say("   Keep it away from traffic until the end: an imported domain comes alive at once, takes ports, and takes")
	say("   messages from MQ, Kafka and FTP away.\n")
	if slices.ContainsFunc(p.sets, func(s packed) bool { return s.secure }) {
		step("The secure backup, if you can use it: it brings everything back, keys and passwords too")
		say("   It DELETES all data of the gateway first, and sets the password of admin back. The private key for its")
		say("   certificate, an RSA key, comes from its custodian and is put on the gateway first. RAID has to be as large")
		say("   as it was, at least.")
		for _, s := range p.sets {
			if s.secure {
				say("   Copy the files of %s to temporary:///restore/ of the gateway.", s.Dir)
			}
		}
		say("   CREDENTIAL is the crypto identification credential with that key. Once with validate, which changes nothing:\n")
		say("     configure terminal")
		say("     secure-restore CREDENTIAL temporary:///restore/ validate")
		say("     secure-restore CREDENTIAL temporary:///restore/\n")
		say("   IBM's page on secure-restore of your firmware counts. When it went well, the steps below are not needed.\n")
	}
	step("Network")
	if network {
		say("   network.txt has addresses, routes, name servers, time and the domains, from the export of domain default. Set them")
		say("   by hand: an import of default brings users, management interfaces and network with it, and replaces what is there.\n")
	} else {
		say("   There is no export of domain default here: addresses, routes, name servers, users and domain settings come from elsewhere.\n")
	}
	step("Keys, certificates and passwords")
	say("   objects.txt names the files of cert: and sharedcert: that each domain needs and no export holds. Put them in place")
	say("   before the import: without them it succeeds, and what needs them is down. Password aliases come without their values.\n")
	for _, s := range p.sets {
		if s.archive == "" || s.Domain == "" || s.Domain == "default" {
			continue
		}
		name := archive.Printable(s.Domain)
		step("Domain " + name)
		say("   Copy %s to temporary:/// of domain %s.\n", s.archive, name)
		say("     configure terminal")
		say("     domain %s", name)
		say("       visible-domain default")
		say("     exit")
		say("     switch domain %s", name)
		say("     import-package bring-back")
		say("       source-url temporary:///%s", path.Base(s.archive))
		say("       import-format ZIP")
		say("       overwrite-objects on")
		say("       overwrite-files on")
		say("       local-ip-rewrite off")
		say("       auto-execute off")
		say("     exit")
		say("     import-execute bring-back")
		say("     no import-package bring-back\n")
		say("   The settings of the domain itself (file permissions, visible domains) are in network.txt, as Domain %s.", name)
		say("   On a gateway with other addresses: local-ip-rewrite on.\n")
	}
	for _, s := range p.sets {
		if s.archive == "" || s.Domain != "" {
			continue
		}
		step("Or domains from the backup of all")
		say("   %s holds an export of each domain, DOMAIN.zip. Unzip it, and import", s.archive)
		say("   each as above. Never import the outer file as if it were the export of one domain.\n")
	}
	step("Look")
	say("   `show object-status` in each domain, against objects.txt: what was up must be up again. The import skips objects for lack of")
	say("   rights or licence, or because their class is unknown, and only its log says so.\n")
	step("Save, in each domain")
	say("     write memory\n")
	say("   An import changes the running configuration only.\n")
	step("Then let traffic come")
}
