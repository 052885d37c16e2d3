package archive_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
)

func manifestXML(files ...string) string {
	return `<?xml version="1.0"?><dp:root xmlns:dp="urn:x"><backupmanifest><firmware>10.0.5.2</firmware><files>` + strings.Join(files, "\n") +
		`</files><signature>abc</signature></backupmanifest></dp:root>`
}

func manifestFile(name string, size int, sum []byte) string {
	return fmt.Sprintf("<file><filename>%s</filename><filesize> %d </filesize><checksum>%X</checksum></file>", name, size, sum)
}

func TestASecureBackupIsCheckedAgainstItsManifest(t *testing.T) {
	t.Parallel()
	data := []byte("encrypted")
	s1, s5, s2, m := sha1.Sum(data), sha512.Sum512(data), sha256.Sum256(data), md5.Sum(data)
	wrong := sha1.Sum([]byte("other"))
	dir := fstest.MapFS{}
	for _, n := range []string{"config", "local", "root", "store", "cert", "size", "hash", "nosum", "odd", "extra"} {
		dir[n+".tgz"] = &fstest.MapFile{Data: data}
	}
	dir["backupmanifest.xml"] = &fstest.MapFile{Data: []byte(manifestXML(
		manifestFile("config.tgz", 9, s1[:]), manifestFile("local.tgz", 9, s5[:]), manifestFile("root.tgz", 9, s2[:]), manifestFile("store.tgz", 9, m[:]),
		manifestFile("temporary:///sb/cert.tgz", 9, s1[:]), manifestFile("size.tgz", 10, s1[:]), manifestFile("hash.tgz", 9, wrong[:]),
		manifestFile("gone.tgz", 9, s1[:]), manifestFile("backupmanifest.xml", 1, nil), manifestFile("odd.tgz", 9, s1[:3]),
		"<file><filename>nosum.tgz</filename><filesize>9</filesize></file>",
	))}
	r, err := (archive.Verifier{}).VerifyDir(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	wantFindings(t, r, "problem missing gone.tgz", "problem hash hash.tgz", "problem hash odd.tgz", "problem size size.tgz", "warning unlisted extra.tgz", "warning no-hash nosum.tgz")
	if r.Hashed != 5 || r.Kind != archive.KindSecureBackup {
		t.Errorf("%d files hashed, kind %q", r.Hashed, r.Kind)
	}
}

func TestASecureBackupOfNothingIsAProblem(t *testing.T) {
	t.Parallel()
	r, err := (archive.Verifier{}).VerifyDir(context.Background(), fstest.MapFS{"backupmanifest.xml": &fstest.MapFile{Data: []byte(manifestXML())}})
	if err != nil {
		t.Fatal(err)
	}
	wantFindings(t, r, "problem empty backupmanifest.xml")
}

func TestAnUnusableManifestIsAProblem(t *testing.T) {
	t.Parallel()
	for name, xml := range map[string]string{
		"empty": "", "cut": manifestXML()[:60], "no list": "<r><backupmanifest/></r>", "bad size": manifestXML("<file><filename>a</filename><filesize>-1</filesize></file>"),
		"no name": manifestXML("<file><filesize>1</filesize></file>"), "slip": manifestXML("<file><filename>a/..</filename></file>"),
		"doctype": "<!DOCTYPE a [<!ENTITY b 'c'>]>" + manifestXML(),
	} {
		r, err := (archive.Verifier{}).VerifyDir(context.Background(), fstest.MapFS{"backupmanifest.xml": &fstest.MapFile{Data: []byte(xml)}})
		if err != nil || !cmp.Equal(lines(r.Findings), []string{"problem list backupmanifest.xml"}) {
			t.Errorf("%s: error %v, findings %v", name, err, r.Findings)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(manifestXML(manifestFile("a.tgz", 3, []byte("abc")))))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := archive.ReadManifest(bytes.NewReader(b))
		for _, m := range files {
			if err != nil || !archive.SafeName(m.Name) || strings.Contains(m.Name, "/") {
				t.Fatalf("unusable file %+v with error %v", m, err)
			}
		}
	})
}
