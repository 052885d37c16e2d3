package dpsim_test

import (
	"crypto/sha1"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const failed = "<dp:result>Error creating secure backup.</dp:result>"

// sealing is a device whose secure backups take no time.
func sealing(d dpsim.Device) dpsim.Device {
	d.Timings = &dpsim.Timings{SecureBackup: "0s"}
	d.Certificates = []dpsim.Certificate{{Name: "sb"}, {Name: "down", State: "down"}, {Name: "old", State: "expired"}}
	if d.SecureBackup == nil {
		d.SecureBackup = &dpsim.SecureBackup{Size: "100KB"}
	}
	return d
}

func secureBackup(g *gateway, cert string) string {
	return g.act("SecureBackup", "cert", cert, "destination", "temporary:///sb", "include-iscsi", "off")
}

type manifest struct {
	Files []struct {
		Name     string `xml:"filename"`
		Size     int64  `xml:"filesize"`
		Checksum string `xml:"checksum"`
	} `xml:"backupmanifest>files>file"`
}

func readManifest(t *testing.T, g *gateway) manifest {
	t.Helper()
	var m manifest
	need.Done(t, xml.Unmarshal(g.get("temporary:///sb/backupmanifest.xml"), &m))
	return m
}

func TestSecureBackupWritesFilesAndManifest(t *testing.T) {
	t.Parallel()
	for firmware, sum := range map[string]func([]byte) string{
		"IDG.10.0.1": func(b []byte) string { s := sha1.Sum(b); return hex.EncodeToString(s[:]) },
		"IDG.10.5":   func(b []byte) string { s := sha512.Sum512(b); return hex.EncodeToString(s[:]) },
	} {
		t.Run(firmware, func(t *testing.T) {
			t.Parallel()
			f, g := one(t, sealing(dpsim.Device{Firmware: firmware, SecureBackup: &dpsim.SecureBackup{Size: "8MB"}}))
			want(t, secureBackup(g, "sb"), ">OK<")
			m := readManifest(t, g)
			if len(m.Files) != 8 {
				t.Errorf("%d files, want 8", len(m.Files))
			}
			for _, file := range m.Files {
				raw := g.get("temporary:///sb/" + file.Name)
				if int64(len(raw)) != file.Size || sum(raw) != file.Checksum {
					t.Errorf("%s: %d bytes, %s; manifest %d, %s", file.Name, len(raw), sum(raw), file.Size, file.Checksum)
				}
			}
			want(t, g.ask("default", `<m:get-filestore location="temporary:/sb"/>`), `<directory name="temporary:/sb"><file name="backupmanifest.xml">`)
			if free := f.State().Device("gw").FreeTemporaryMB; free != 2991 {
				t.Errorf("%d MB free, want 2991 of 3000", free)
			}
			for _, file := range m.Files {
				g.act("DeleteFile", "File", "temporary:///sb/"+file.Name)
			}
			want(t, g.status("FilesystemStatus"), "<FreeTemporary>2999</FreeTemporary>")
		})
	}
}

func TestSecureBackupPreconditions(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		device dpsim.Device
		cert   string
		answer string
	}{
		"no certificate":      {dpsim.Device{}, "absent", failed},
		"certificate down":    {dpsim.Device{}, "down", failed},
		"certificate expired": {dpsim.Device{}, "old", failed},
		"normal mode":         {dpsim.Device{BackupMode: "normal"}, "sb", failed},
		"container":           {dpsim.Device{Platform: "software"}, "sb", "error-log"},
		"no room":             {dpsim.Device{FreeTemporary: "50KB"}, "sb", failed},
		"fault":               {dpsim.Device{Faults: []dpsim.Fault{{Kind: "secure_backup_fails"}}}, "sb", failed},
		"busy":                {dpsim.Device{Domains: []dpsim.Domain{{Name: "default", CurrentCommand: "secure-restore"}}}, "sb", "error-log"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, g := one(t, sealing(c.device))
			want(t, secureBackup(g, c.cert), c.answer)
			wantNot(t, g.ask("default", `<m:get-filestore location="temporary:"/>`), "backupmanifest.xml")
		})
	}
	t.Run("destination", func(t *testing.T) {
		t.Parallel()
		_, g := one(t, sealing(dpsim.Device{}))
		want(t, g.act("SecureBackup", "cert", "sb", "destination", "cert:///x"), "error-log")
		for _, slashes := range []string{"/", "//", "///"} { // clients write one, two and three
			want(t, g.act("SecureBackup", "cert", "sb", "destination", "temporary:"+slashes+"d"+strconv.Itoa(len(slashes))), ">OK<")
			want(t, string(g.get("temporary:///d"+strconv.Itoa(len(slashes))+"/backupmanifest.xml")), "<filename>")
		}
	})
}

func TestFullDiskLeavesPartOfASecureBackup(t *testing.T) {
	t.Parallel()
	_, g := one(t, sealing(dpsim.Device{Faults: []dpsim.Fault{{Kind: "secure_backup_disk_full"}}}))
	want(t, secureBackup(g, "sb"), failed)
	listing := g.ask("default", `<m:get-filestore location="temporary:"/>`)
	want(t, listing, `<file name="cert.tgz">`)
	wantNot(t, listing, "backupmanifest.xml")
	want(t, g.status("FilesystemStatus"), "<FreeTemporary>0</FreeTemporary>")
}

func TestSecureBackupBlocksAndIsExclusive(t *testing.T) {
	t.Parallel()
	d := sealing(dpsim.Device{})
	d.Timings = &dpsim.Timings{}
	f, g := one(t, d)
	done := make(chan string)
	go func() {
		text, err := g.try("default", `<m:do-action><SecureBackup><cert>sb</cert><destination>temporary:///sb</destination></SecureBackup></m:do-action>`)
		done <- fmt.Sprint(text, err)
	}()
	for !strings.Contains(g.status("DomainStatus"), "<CurrentCommand>secure-backup</CurrentCommand>") {
		time.Sleep(time.Millisecond)
	}
	want(t, secureBackup(g, "sb"), "error-log")
	f.Clock().Advance(5 * time.Second)
	want(t, <-done, ">OK<")
	want(t, g.status("DomainStatus"), "<CurrentCommand/>")
}

func TestSecureBackupFaults(t *testing.T) {
	t.Parallel()
	// What is wrong with the set, file by file, as a verifier would say it.
	verify := func(t *testing.T, g *gateway) []string {
		var wrong []string
		for _, f := range readManifest(t, g).Files {
			text := g.ask("default", `<m:get-file name="temporary:///sb/`+f.Name+`"/>`)
			switch {
			case strings.Contains(text, "<dp:result>"):
				wrong = append(wrong, f.Name+" absent")
				continue
			case strings.Contains(text, `.tgz"/>`):
				wrong = append(wrong, f.Name+" empty")
				continue
			}
			raw := g.file(text)
			sum := sha1.Sum(raw)
			switch {
			case f.Checksum == "":
				wrong = append(wrong, f.Name+" no checksum")
			case int64(len(raw)) != f.Size:
				wrong = append(wrong, f.Name+" size")
			case hex.EncodeToString(sum[:]) != f.Checksum:
				wrong = append(wrong, f.Name+" hash")
			}
		}
		return wrong
	}
	cases := map[string]struct {
		fault dpsim.Fault
		wrong []string
	}{
		"none":               {dpsim.Fault{Kind: "objects_down"}, nil},
		"wrong hash":         {dpsim.Fault{Kind: "secure_backup_wrong_hash", File: "root.tgz"}, []string{"root.tgz hash"}},
		"short file":         {dpsim.Fault{Kind: "secure_backup_short_file", File: "local.tgz"}, []string{"local.tgz size"}},
		"empty file":         {dpsim.Fault{Kind: "secure_backup_empty_file"}, []string{"cert.tgz empty"}},
		"no checksum":        {dpsim.Fault{Kind: "manifest_no_checksum"}, []string{"cert.tgz no checksum"}},
		"lists missing file": {dpsim.Fault{Kind: "manifest_missing_file"}, []string{"absent.tgz absent"}},
		"lists itself":       {dpsim.Fault{Kind: "manifest_self_listed"}, []string{"backupmanifest.xml no checksum"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, g := one(t, sealing(dpsim.Device{Faults: []dpsim.Fault{c.fault}}))
			want(t, secureBackup(g, "sb"), ">OK<")
			if diff := cmp.Diff(c.wrong, verify(t, g)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManifestMayBeLateOrMissing(t *testing.T) {
	t.Parallel()
	listed := func(g *gateway) bool {
		return strings.Contains(g.ask("default", `<m:get-filestore location="temporary:"/>`), "backupmanifest.xml")
	}
	f, g := one(t, sealing(dpsim.Device{Faults: []dpsim.Fault{{Kind: "manifest_late", Duration: "30s"}}}))
	want(t, secureBackup(g, "sb"), ">OK<")
	f.Clock().Advance(29 * time.Second)
	if listed(g) {
		t.Error("the manifest is there too early")
	}
	want(t, g.status("DomainStatus"), "<CurrentCommand>secure-backup</CurrentCommand>")
	f.Clock().Advance(time.Second)
	if !listed(g) {
		t.Error("the manifest is not there in time")
	}
	want(t, g.status("DomainStatus"), "<CurrentCommand/>")

	f, g = one(t, sealing(dpsim.Device{Faults: []dpsim.Fault{{Kind: "manifest_missing"}}}))
	want(t, secureBackup(g, "sb"), ">OK<")
	f.Clock().Advance(time.Hour)
	if listed(g) {
		t.Error("a missing manifest is there")
	}
}
