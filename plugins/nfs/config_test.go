package nfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk/schema"
)

func TestTheSchemaHasTheRules(t *testing.T) {
	t.Parallel()
	s := Plugin().Schema()
	if len(s.Destinations) != 1 || s.Destinations[0].Name != "nfs" || s.Destinations[0].Family != "nfs" {
		t.Fatalf("%+v", s.Destinations)
	}
	want := [][]string{{"server", "mount"}, {"export", "mount"}}
	if diff := cmp.Diff(want, s.Destinations[0].Config.ExactlyOne); diff != "" {
		t.Error(diff)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	id := 5
	tests := map[string]struct {
		c    Config
		want []string // arguments complained about
	}{
		"fine":               {Config{Server: "nas", Export: "/backups", Directory: "a/b"}, nil},
		"fine, mounted":      {Config{Mount: "/mnt"}, nil},
		"relative export":    {Config{Server: "nas", Export: "backups"}, []string{"export"}},
		"server with a path": {Config{Server: "nas:/backups", Export: "/b"}, []string{"server"}},
		"leaves the export":  {Config{Server: "nas", Export: "/b", Directory: "../c"}, []string{"directory"}},
		"no mode":            {Config{Mount: "/mnt", FileMode: "rw-------"}, []string{"file_mode"}},
		"more than a mode":   {Config{Mount: "/mnt", FileMode: "4600"}, []string{"file_mode"}},
		"read-only files":    {Config{Mount: "/mnt", FileMode: "0400"}, []string{"file_mode"}},
		"uid for a mount":    {Config{Mount: "/mnt", UID: &id}, []string{"uid"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.c.FileMode == "" { // the schema's default
				test.c.FileMode = "0600"
			}
			var got []string
			for _, d := range validate(test.c, func(...string) bool { return true }) {
				got = append(got, d.Path[0])
				if d.Severity != schema.SeverityError || d.Summary == "" || d.Detail == "" {
					t.Errorf("%+v", d)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const mountTable = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:35 / /mnt/nas rw,relatime shared:20 - nfs4 nas:/backups rw,vers=4.2
41 22 0:36 / /mnt/with\040space rw - nfs nas:/b rw
42 40 0:37 / /mnt/nas/local rw - tmpfs tmpfs rw
43 22 0:38 / /mnt/twice rw - nfs nas:/c rw
44 43 0:39 / /mnt/twice rw - ext4 /dev/vdb rw
a line that is none
`

func TestTheMountThatCoversAPathIsFound(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"/mnt/nas":          "nfs4",
		"/mnt/nas/a/b":      "nfs4",
		"/mnt/nasty":        "ext4",
		"/mnt/nas/local/x":  "tmpfs",
		"/mnt/with space/x": "nfs",
		"/mnt/twice":        "ext4",
		"/":                 "ext4",
	} {
		if got, err := coveringType(strings.NewReader(mountTable), dir); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", dir, got, err, want)
		}
	}
	if _, err := coveringType(strings.NewReader("garbage"), "/x"); err == nil {
		t.Error("a table without mounts covers a path")
	}
}

func FuzzMountTable(f *testing.F) {
	f.Add(mountTable, "/mnt/nas")
	f.Fuzz(func(t *testing.T, table, dir string) {
		if _, err := coveringType(strings.NewReader(table), dir); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}
