package backups

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var dpodNow = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestDPODsNamesAreReadAndNotGuessed(t *testing.T) {
	t.Parallel()
	const stamp = "2024-03-01-21-00-05-042"
	for at, want := range map[string]string{
		"gw 1/domain/orders/orders-export-" + stamp + "-persisted.zip":          "gw 1|orders|export_domain|persisted|gw 1/domain/orders/orders-export-" + stamp,
		"gw1/domain/orders/orders-export-" + stamp + "-nonpersisted.zip":        "gw1|orders|export_domain|running|gw1/domain/orders/orders-export-" + stamp,
		"gw1/domain/a-export-b/a-export-b-export-" + stamp + "-persisted.zip":   "gw1|a-export-b|export_domain|persisted|gw1/domain/a-export-b/a-export-b-export-" + stamp,
		"gw1/domain/all-domains/all-domains-export-" + stamp + "-persisted.zip": "gw1||export_all_domains|persisted|gw1/domain/all-domains/all-domains-export-" + stamp,
		"gw1/all-domains/all-domains-export-" + stamp + "-persisted.zip":        "gw1||export_all_domains|persisted|gw1/all-domains/all-domains-export-" + stamp,
		"gw1/secure-backup/" + stamp + "/backupmanifest.xml":                    "gw1||secure_backup|secure_backup|gw1/secure-backup/" + stamp,
		"gw1/secure-backup/" + stamp + "/deep/files.tgz":                        "gw1||secure_backup|secure_backup|gw1/secure-backup/" + stamp,
		"gw1/domain/orders/billing-export-" + stamp + "-persisted.zip":          "none",
		"gw1/all-domains/orders-export-" + stamp + "-persisted.zip":             "none",
		"gw1/domain/orders/orders-export-2024-13-01-21-00-05-042-persisted.zip": "none",
		"gw1/domain/orders/orders-export-2024-03-01-21-00-05-persisted.zip":     "none",
		"gw1/domain/orders/orders-export-" + stamp + ".zip":                     "none",
		"gw1/domain/orders/orders-export-" + stamp + "-persisted.zip.part":      "none",
		"gw1/domain/orders/old/orders-export-" + stamp + "-persisted.zip":       "none",
		"site/gw1/domain/orders/orders-export-" + stamp + "-persisted.zip":      "none",
		"gw1/secure-backup/" + stamp:                                            "none",
		"gw1/secure-backup/yesterday/backupmanifest.xml":                        "none",
		"gw1/secure-backup/1969-03-01-21-00-05-042/backupmanifest.xml":          "none",
		"../secure-backup/" + stamp + "/backupmanifest.xml":                     "none",
		"gw1/secure-backup/" + stamp + "/../../x":                               "none",
		"gw\x1b[2J/domain/orders/orders-export-" + stamp + "-persisted.zip":     "none",
		"README.txt": "none",
	} {
		c, variant, err := dpodFile(at)
		got := "none"
		if err == nil {
			got = strings.Join([]string{c.Device, c.Domain, c.Type, variant, c.Path}, "|")
			if c.Captured.Format("2006-01-02T15:04:05.000Z07:00") != "2024-03-01T21:00:05.042Z" || c.SHA256 != "" || !c.Imported || len(c.Set) != 26 || c.Activity != "dpod-"+c.Type {
				t.Errorf("%q: %+v", at, c)
			}
		}
		if got != want {
			t.Errorf("%q is %s, want %s", at, got, want)
		}
	}
}

func TestDPODsFilesOfOneStampAreOneSet(t *testing.T) {
	t.Parallel()
	object := func(at string, size int64) Object { return Object{Path: at, Size: size} }
	sets, refused := DPOD([]Object{
		object("gw1/domain/d/d-export-2024-03-01-21-00-05-042-persisted.zip", 20),
		object("gw1/domain/d/d-export-2024-03-01-21-00-05-042-nonpersisted.zip", 10),
		object("gw1/domain/d/d-export-2024-03-02-21-00-05-042-persisted.zip", 7),
		object("gw1/domain/e/e-export-2024-03-01-21-00-05-042-persisted.zip", 0),
		object("gw1/domain/own/own-export-2024-03-01-21-00-05-042-persisted.zip", 5),
		object("gw1/domain/new/new-export-2026-11-27-12-00-01-000-persisted.zip", 5),
		object("gw1/domain/later/later-export-2027-11-27-12-00-01-000-persisted.zip", 5),
		object("gw1/secure-backup/2024-03-01-21-00-05-042/backupmanifest.xml", 3),
		object("gw1/secure-backup/2024-03-01-21-00-05-042/a.tgz", 4),
		object("gw2/secure-backup/2024-03-01-21-00-05-042/a.tgz", 4),
		object("gw2/notes.txt", 4),
	}, map[string]bool{"gw1/domain/own/own-export-2024-03-01-21-00-05-042.dprun.json": true}, dpodNow)
	var got []string
	ids := map[string]bool{}
	for _, c := range sets {
		var files []string
		for _, f := range c.Files {
			files = append(files, c.At(f))
		}
		got = append(got, strings.Join(files, " "))
		ids[c.Set] = true
		if asks := c.Asks(nil, true); !slices.Equal(asks, files) {
			t.Errorf("a check asks for %v, want %v", asks, files)
		}
	}
	if diff := cmp.Diff([]string{
		"gw1/domain/d/d-export-2024-03-01-21-00-05-042-nonpersisted.zip gw1/domain/d/d-export-2024-03-01-21-00-05-042-persisted.zip",
		"gw1/domain/d/d-export-2024-03-02-21-00-05-042-persisted.zip",
		"gw1/secure-backup/2024-03-01-21-00-05-042/a.tgz gw1/secure-backup/2024-03-01-21-00-05-042/backupmanifest.xml",
	}, got); diff != "" || len(ids) != 3 || sets[0].Bytes != 30 {
		t.Errorf("sets %v %s", ids, diff)
	}
	if diff := cmp.Diff([]string{
		"gw1/domain/e/e-export-2024-03-01-21-00-05-042",
		"gw1/domain/later/later-export-2027-11-27-12-00-01-000",
		"gw1/domain/new/new-export-2026-11-27-12-00-01-000",
		"gw2/notes.txt",
		"gw2/secure-backup/2024-03-01-21-00-05-042",
	}, slices.Sorted(maps.Keys(refused))); diff != "" {
		t.Error(diff)
	}
}

func TestACopyWithoutAManifestIsJudgedByItsFiles(t *testing.T) {
	t.Parallel()
	sets, _ := DPOD([]Object{{Path: "gw1/domain/d/d-export-2024-03-01-21-00-05-042-persisted.zip", Size: 20}}, nil, dpodNow)
	c := &sets[0]
	c.Files[0].SHA256 = strings.Repeat("a", 64)
	l := NewLedger("own", sets)
	at := c.At(c.Files[0])
	for want, a := range map[State]Answer{Whole: {Size: 20, SHA256: c.Files[0].SHA256}, Altered: {Size: 20, SHA256: strings.Repeat("b", 64)}, Missing: {Absent: true}} {
		if state, faults := l.Judge(c, nil, map[string]Answer{at: a}, ""); state != want {
			t.Errorf("it is %s, want %s: %v", state, want, faults)
		}
	}
	if manifests, others := l.Unknown([]Object{{Path: at}}); len(manifests)+len(others) > 0 {
		t.Error("its file is a stray")
	}
}

func TestAStrayThatMayBeOfDPODIsNotSaidToBeRemovable(t *testing.T) {
	t.Parallel()
	faults := Strays([]Object{{Path: "gw1/domain/d/d-export-2024-03-01-21-00-05-042-persisted.zip"}, {Path: "gw1/x"}}, nil)
	if len(faults) != 2 || !strings.Contains(faults[0].Remedy, "--layout dpod") || strings.Contains(faults[1].Remedy, "--layout dpod") {
		t.Error(faults)
	}
}
