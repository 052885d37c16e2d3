package fabricate_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim/fabricate"
	"github.com/dprun/dprun/testfixtures/need"
)

var gateway = fabricate.Device{
	Name: "gw1", ProductID: "843652X", Product: "IDG", Model: "IBM DataPower Gateway", Serial: "7800001",
	Firmware: "IDG.10.0.1.5", Build: "336212", BuildDate: "2021/09/29 17:42:35", Delivery: "LTS", Intrusion: true,
	Interface: "mgt1", InterfaceIP: "192.0.2.1", Zone: "CET",
}

type listing struct {
	Details struct {
		Domain string `xml:"domain"`
		Serial string `xml:"serial-number"`
	} `xml:"export-details"`
	Files []struct {
		Src     string `xml:"src,attr"`
		Hash    string `xml:"hash,attr"`
		Missing string `xml:"missing,attr"`
		Key     string `xml:"key,attr"`
	} `xml:"files>file"`
	Domains []struct {
		Name string `xml:"name,attr"`
	} `xml:"domains>domain"`
}

func open(t *testing.T, raw []byte) (*zip.Reader, listing) {
	t.Helper()
	z := need.Value(zip.NewReader(bytes.NewReader(raw), int64(len(raw))))(t)
	var l listing
	need.Done(t, xml.Unmarshal(content(t, z, "export.xml"), &l))
	return z, l
}

func content(t *testing.T, z *zip.Reader, name string) []byte {
	t.Helper()
	f := need.Value(z.Open(name))(t)
	defer f.Close()
	b, err := io.ReadAll(f) // also checks the CRC
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

func hash(b []byte) string {
	sum := sha1.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func write(t *testing.T, f *fabricate.Factory, e fabricate.Export) []byte {
	t.Helper()
	var b bytes.Buffer
	need.Done(t, f.Write(&b, e))
	return b.Bytes()
}

func TestExportHasExactSizeAndVerifies(t *testing.T) {
	t.Parallel()
	factory := fabricate.Shared()
	sizes := []int64{fabricate.MinSize, 24_001, 30_003, 64_000, 64_002, 65_536, 500_007, 2_000_000, 2_097_152, 9_999_999}
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			raw := write(t, factory, fabricate.Export{Device: gateway, Domain: "orders", User: "admin", Size: size, MissingFiles: 1, PrivateKeys: 2})
			if int64(len(raw)) != size {
				t.Errorf("archive has %d bytes, want %d", len(raw), size)
			}
			z, l := open(t, raw)
			if l.Details.Domain != "orders" || l.Details.Serial != "7800001" {
				t.Errorf("export-details: %+v", l.Details)
			}
			hashed, unhashed := map[string]bool{}, 0
			for _, f := range l.Files {
				if f.Missing != "" || f.Key != "" {
					unhashed++
					continue
				}
				hashed[f.Src] = true
				if got := hash(content(t, z, f.Src)); got != f.Hash {
					t.Errorf("%s: hash %s, export.xml says %s", f.Src, got, f.Hash)
				}
			}
			if unhashed != 3 {
				t.Errorf("%d entries without hash, want 3", unhashed)
			}
			var unpacked uint64
			for _, f := range z.File {
				unpacked += f.UncompressedSize64
				if f.Mode().IsDir() || f.Name == "export.xml" {
					continue
				}
				if f.Mode().Perm() != 0o600 || f.Method != zip.Deflate || !hashed[f.Name] {
					t.Errorf("%s: mode %v, method %d, listed %t", f.Name, f.Mode(), f.Method, hashed[f.Name])
				}
			}
			if size >= 64_000 && unpacked < 5*uint64(size) {
				t.Errorf("unpacks to %d bytes, less than 5 times %d", unpacked, size)
			}
		})
	}
}

func TestExportIsDeterministicAndTellsConfigurationsApart(t *testing.T) {
	t.Parallel()
	factory := fabricate.Shared()
	e := fabricate.Export{Device: gateway, Domain: "a", Size: 64_000, Unsaved: true}
	running := write(t, factory, e)
	if !bytes.Equal(running, write(t, fabricate.NewFactory(), e)) {
		t.Error("equal input gave different archives")
	}
	e.Persisted = true
	if bytes.Equal(running, write(t, factory, e)) {
		t.Error("persisted and running archives are equal")
	}
	z, _ := open(t, running)
	if !bytes.Contains(content(t, z, "config/a.cfg"), []byte("unsaved-change")) {
		t.Error("the running configuration lacks the unsaved object")
	}
	e.Domain = "b"
	if bytes.Equal(running, write(t, factory, e)) {
		t.Error("archives of two domains are equal")
	}
}

func TestGatewaysShareTheFilesOfADomainButNotItsConfiguration(t *testing.T) {
	t.Parallel()
	factory := fabricate.Shared()
	files := func(device fabricate.Device, domain string) map[string][]byte {
		z, _ := open(t, write(t, factory, fabricate.Export{Device: device, Domain: domain, Size: 200_000}))
		out := map[string][]byte{}
		for _, f := range z.File {
			if !f.Mode().IsDir() {
				out[f.Name] = content(t, z, f.Name)
			}
		}
		return out
	}
	other := gateway
	other.Name, other.Serial = "other", "0000001"
	here, there, apart := files(gateway, "a"), files(other, "a"), files(gateway, "b")
	bulk := 0
	for name, text := range here {
		own := name == "config/a.cfg" || name == "local/README.txt" || name == "export.xml"
		if same := bytes.Equal(text, there[name]); same == own {
			t.Errorf("%s is the same on both gateways: %t", name, same)
		}
		if strings.HasPrefix(name, "local/") && !own {
			bulk++
			if bytes.Equal(text, apart[strings.ReplaceAll(name, "a-0", "b-0")]) {
				t.Errorf("%s is the same in another domain", name)
			}
		}
	}
	if bulk == 0 {
		t.Error("the archive has no file of the application")
	}
}

func TestExportWithWrongHashIsAWholeZip(t *testing.T) {
	t.Parallel()
	z, l := open(t, write(t, fabricate.Shared(), fabricate.Export{Device: gateway, Domain: "a", Size: 64_000, WrongHash: true}))
	var wrong []string
	for _, f := range l.Files {
		if hash(content(t, z, f.Src)) != f.Hash {
			wrong = append(wrong, f.Src)
		}
	}
	if len(wrong) != 1 {
		t.Errorf("wrong hashes: %q, want one", wrong)
	}
}

func TestTooSmallExportIsRefused(t *testing.T) {
	t.Parallel()
	if err := fabricate.NewFactory().Write(io.Discard, fabricate.Export{Device: gateway, Domain: "a", Size: 1000}); err == nil {
		t.Error("an export of 1000 bytes was made")
	}
}

func TestBackupNestsDomainsAndSharesAux(t *testing.T) {
	t.Parallel()
	factory := fabricate.Shared()
	var inner []fabricate.Inner
	for _, d := range []string{"a", "b"} {
		raw := write(t, factory, fabricate.Export{Device: gateway, Domain: d, Size: 200_000, Nested: true})
		inner = append(inner, fabricate.Inner{Domain: d, Size: int64(len(raw)), Open: func() io.Reader { return bytes.NewReader(raw) }})
	}
	var b bytes.Buffer
	need.Done(t, factory.WriteBackup(&b, fabricate.Backup{Device: gateway, User: "admin", Inner: inner}))
	outer, l := open(t, b.Bytes())
	if len(l.Files) != 0 || len(l.Domains) != 2 {
		t.Errorf("outer export.xml has %d files and %d domains, want 0 and 2", len(l.Files), len(l.Domains))
	}
	for _, d := range []string{"a", "b"} {
		z, l := open(t, content(t, outer, d+".zip"))
		shared := 0
		for _, f := range l.Files {
			from := z
			if _, err := z.Open(f.Src); err != nil {
				from = outer
				shared++
			}
			if got := hash(content(t, from, f.Src)); got != f.Hash {
				t.Errorf("%s: %s has hash %s, listed %s", d, f.Src, got, f.Hash)
			}
		}
		if shared != 6 {
			t.Errorf("%s takes %d files from the outer archive, want the 6 of dp-aux", d, shared)
		}
	}
}
