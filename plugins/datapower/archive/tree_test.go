package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// tree writes files below a directory, which it returns.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		need.Done(t, os.MkdirAll(filepath.Dir(at), 0o755))
		need.Done(t, os.WriteFile(at, []byte(data), 0o600))
	}
	return dir
}

// manifestOf is a manifest with a domain and a serial number.
func manifestOf(domain, serial string, files ...any) string {
	return strings.Replace(string(ownManifest(files...)), `"dprun":"1.0.0",`, `"domain":"`+domain+`","facts":{"serial":"`+serial+`"},`, 1)
}

func TestAnArchiveIsComparedWithTheManifestBesideIt(t *testing.T) {
	t.Parallel()
	whole := export(t, "orders", "", file{name: "local/a", data: "a"})
	other := append(bytes.Clone(whole[:len(whole)-1]), 'x')
	for name, c := range map[string]struct {
		manifest string
		want     []string
		as       []string
	}{
		"as stored":              {manifestOf("orders", "7800163", "x-persisted.zip", whole), nil, []string{"x.dprun.json"}},
		"of another content":     {manifestOf("orders", "7800163", "x-persisted.zip", other), []string{"problem hash x-persisted.zip"}, nil},
		"of another length":      {manifestOf("orders", "7800163", "x-persisted.zip", whole[1:]), []string{"problem size x-persisted.zip"}, nil},
		"of another domain":      {manifestOf("billing", "7800163", "x-persisted.zip", whole), []string{"problem other-domain"}, nil},
		"of another gateway":     {manifestOf("orders", "1", "x-persisted.zip", whole), []string{"problem other-device"}, nil},
		"of the whole gateway":   {manifestOf("", "", "x-persisted.zip", whole), nil, []string{"x.dprun.json"}},
		"of other files":         {manifestOf("orders", "7800163", "y.zip", whole), nil, nil},
		"that cannot be used":    {"{", []string{"warning list x.dprun.json"}, nil},
		"that others belong to":  {"{}", []string{"warning list x.dprun.json"}, nil},
		"that lists it and more": {manifestOf("orders", "7800163", "x-persisted.zip", whole, "x-nonpersisted.zip", other), nil, []string{"x.dprun.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"x-persisted.zip": string(whole), "x.dprun.json": c.manifest})
			r := need.Value(archive.VerifyFile(context.Background(), filepath.Join(dir, "x-persisted.zip")))(t)
			wantFindings(t, r, c.want...)
			if d := cmp.Diff(c.as, r.AsListedIn); d != "" {
				t.Errorf("as listed in (-want +got):\n%s", d)
			}
		})
	}
}

func TestAFileThatAManifestListsAndThatIsGoneIsAProblem(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"x.dprun.json": string(ownManifest("x.zip", []byte("zip")))})
	r := need.Value(archive.VerifyFile(context.Background(), filepath.Join(dir, "x.zip")))(t)
	wantFindings(t, r, "problem missing x.zip")
	if _, err := archive.VerifyFile(context.Background(), filepath.Join(dir, "y.zip")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that nobody knows: %v", err)
	}
}

func TestADirectoryIsWalked(t *testing.T) {
	t.Parallel()
	zip := export(t, "d", "", file{name: "local/a", data: "a"})
	dir := tree(t, map[string]string{
		"gw1/domain/orders/a.zip": string(zip), "gw1/domain/orders/a.dprun.json": string(ownManifest("a.zip", zip, "gone.zip", zip)), "gw1/domain/orders/notes.txt": "",
		"gw1/B.ZIP": string(zip), "gw2/sb/backupmanifest.xml": manifestXML(), "gw2/sb/sb.dprun.json": string(ownManifest("backupmanifest.xml", []byte(manifestXML()))),
		"half/h.dprun.json": string(ownManifest("config.tgz", []byte("c"), "backupmanifest.xml", []byte("x"))), "half/config.tgz": "c", "empty/notes.txt": "",
	})
	rel := func(found []string) (out []string) {
		for _, f := range found {
			r := need.Value(filepath.Rel(dir, f))(t)
			out = append(out, filepath.ToSlash(r))
		}
		return out
	}
	v := archive.Verifier{Sets: &archive.Sets{}}
	for at, want := range map[string][]string{
		".":                              {"gw1/B.ZIP", "gw1/domain/orders/a.zip", "gw1/domain/orders/gone.zip", "gw2/sb", "half/backupmanifest.xml"},
		"gw2/sb":                         {"gw2/sb"},
		"gw1/domain/orders/a.zip":        {"gw1/domain/orders/a.zip"},
		"gw1/domain/orders/a.dprun.json": {"gw1/domain/orders/a.zip", "gw1/domain/orders/gone.zip"},
		"gw2/sb/sb.dprun.json":           {"gw2/sb"},
		"nowhere":                        {"nowhere"},
	} {
		found, err := v.Find(context.Background(), filepath.Join(dir, at))
		if d := cmp.Diff(want, rel(found)); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", at, err, d)
		}
	}
	if found, err := v.Find(context.Background(), filepath.Join(dir, "empty")); err == nil || !strings.Contains(err.Error(), "holds no exports") {
		t.Errorf("a directory of other things: %v, %v", found, err)
	}
}

func TestEachOtherKindOfZipIsNamed(t *testing.T) {
	t.Parallel()
	inner := string(export(t, "apic", "", file{name: "local/a", data: "a"}))
	for name, c := range map[string]struct {
		data []byte
		kind archive.Kind
		want []string
		says string
	}{
		"no export":        {pack(t, file{name: "a.txt", data: "a"}, file{name: "b.txt", data: "b"}), "", []string{"problem no-export"}, "not a gateway export"},
		"exports packed":   {pack(t, file{name: "a.zip", data: inner}, file{name: "b.zip", data: inner}), "", []string{"problem no-export"}, "unpack it and verify a.zip"},
		"a policy package": {pack(t, file{name: "policy.yaml", data: "x"}, file{name: "implementation/p.zip", data: inner}), archive.KindPolicy, nil, ""},
		"a broken policy package": {pack(t, file{name: "implementation/p.zip", data: string(pack(t, file{name: "a", data: "a"}))}), archive.KindPolicy,
			[]string{"problem no-export implementation/p.zip"}, "no export.xml"},
		"with a pattern": {export(t, "d", "", file{name: "config/pattern.zip", data: inner}), archive.KindExport, []string{"by-design pattern config/pattern.zip"}, "a pattern"},
	} {
		r := verify(t, c.data)
		if d := cmp.Diff(c.want, lines(r.Findings)); d != "" || r.Kind != c.kind || len(r.Findings) > 0 && !strings.Contains(r.Findings[0].Text, c.says) {
			t.Errorf("%s: kind %q, %v (-want +got):\n%s", name, r.Kind, r.Findings, d)
		}
	}
}
