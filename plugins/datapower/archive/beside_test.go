package archive_test

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
)

// storedSet is a secure backup as it stands at a destination, with the manifest of the program that stored it.
func storedSet() fstest.MapFS {
	data := []byte("encrypted")
	sum := sha1.Sum(data)
	xml := []byte(manifestXML(manifestFile("config.tgz", 9, sum[:]), manifestFile("store.tgz", 9, sum[:])))
	return fstest.MapFS{
		"config.tgz": {Data: data}, "store.tgz": {Data: data}, "backupmanifest.xml": {Data: xml},
		"gw-1.dprun.json": {Data: ownManifest("config.tgz", data, "store.tgz", data, "backupmanifest.xml", xml)},
	}
}

// ownManifest takes names and contents in turn.
func ownManifest(files ...any) []byte {
	var list []string
	for i := 0; i < len(files); i += 2 {
		data := files[i+1].([]byte)
		list = append(list, fmt.Sprintf(`{"file":%q,"variant":"secure_backup","size":%d,"sha256":"%x"}`, files[i], len(data), sha256.Sum256(data)))
	}
	return []byte(`{"version":1,"dprun":"1.0.0","artifacts":[` + strings.Join(list, ",") + `]}`)
}

func TestTheManifestOfAStoredSetIsNoStrangerAndIsCompared(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		want   []string
		as     []string
	}{
		"as stored": {func(fstest.MapFS) {}, nil, []string{"gw-1.dprun.json"}},
		"a stranger beside it": {func(d fstest.MapFS) { d["notes.txt"] = &fstest.MapFile{} },
			[]string{"warning unlisted notes.txt"}, []string{"gw-1.dprun.json"}},
		"the gateway's own list was changed": {func(d fstest.MapFS) {
			x := d["backupmanifest.xml"].Data
			d["backupmanifest.xml"] = &fstest.MapFile{Data: []byte(strings.Replace(string(x), "10.0.5.2", "10.0.5.3", 1))}
		}, []string{"problem hash backupmanifest.xml"}, nil},
		"of another length": {func(d fstest.MapFS) {
			d["backupmanifest.xml"] = &fstest.MapFile{Data: append(d["backupmanifest.xml"].Data, '\n')}
		}, []string{"problem size backupmanifest.xml"}, nil},
		"a file that only it lists": {func(d fstest.MapFS) {
			d["gw-2.dprun.json"] = &fstest.MapFile{Data: ownManifest("gw-persisted.zip", []byte("zip"))}
			d["gw-persisted.zip"] = &fstest.MapFile{Data: []byte("zip")}
		}, nil, []string{"gw-1.dprun.json", "gw-2.dprun.json"}},
		"a file that is gone": {func(d fstest.MapFS) { d["gw-1.dprun.json"] = &fstest.MapFile{Data: ownManifest("gone.tgz", []byte{})} },
			[]string{"problem missing gone.tgz"}, nil},
		"cut": {func(d fstest.MapFS) { d["gw-1.dprun.json"].Data = d["gw-1.dprun.json"].Data[:40] },
			[]string{"warning list gw-1.dprun.json"}, nil},
		"of a later form": {func(d fstest.MapFS) { d["gw-1.dprun.json"].Data = []byte(`{"version":2,"files":{}}`) },
			[]string{"warning list gw-1.dprun.json"}, nil},
		"names that lead out": {func(d fstest.MapFS) { d["gw-1.dprun.json"].Data = ownManifest("../config.tgz", []byte("encrypted")) },
			[]string{"warning list gw-1.dprun.json"}, nil},
		"no hash": {func(d fstest.MapFS) {
			d["gw-1.dprun.json"].Data = []byte(`{"version":1,"artifacts":[{"file":"config.tgz","size":9}]}`)
		}, []string{"warning list gw-1.dprun.json"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := storedSet()
			c.change(dir)
			r, err := (archive.Verifier{}).VerifyDir(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			wantFindings(t, r, c.want...)
			if d := cmp.Diff(c.as, r.AsListedIn); d != "" {
				t.Errorf("as listed in (-want +got):\n%s", d)
			}
			if r.Hashed != 2 || r.Uncompressed != 18 {
				t.Errorf("%d files hashed and %d bytes: the same file counts once", r.Hashed, r.Uncompressed)
			}
		})
	}
}
