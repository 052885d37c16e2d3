package plan_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
)

func readLock(text string) (*plan.Lock, plan.Diagnostics) {
	return plan.ReadLock(fstest.MapFS{plan.LockFile: {Data: []byte(text)}}, "plans")
}

func TestALockFileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	want := &plan.Lock{Plugins: []plan.LockedPlugin{
		{Name: "s3", Source: "h.example/n/s3", Version: "1.2.0", Constraints: "~> 1.0", Digests: map[string]string{"linux_amd64": "h1:a", "darwin_arm64": "h1:b"}},
		{Name: "webdav", Source: "h.example/n/webdav", Version: "0.1.0", Digests: map[string]string{"linux_amd64": "h1:c"}},
	}}
	got, ds := readLock(string(want.Text()))
	if diff := cmp.Diff(want, got); diff != "" || len(ds) > 0 {
		t.Errorf("%s\n%v\n%s", want.Text(), ds, diff)
	}
	if got, ds := plan.ReadLock(fstest.MapFS{}, ""); got != nil || len(ds) > 0 {
		t.Errorf("without a file: %v, %v", got, ds)
	}
}

func TestALockFileThatCannotBeUnderstoodIsAnError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no HCL":           "plugin {",
		"a conflict":       "<<<<<<< ours\nplugin \"s3\" {}\n",
		"another block":    "provider \"s3\" {}",
		"a missing part":   "plugin \"s3\" {\n source = \"h/n/s3\"\n}",
		"a source outside": "plugin \"s3\" {\n source = \"../../s3\"\n version = \"1.0.0\"\n digests = {}\n}",
		"twice":            strings.Repeat("plugin \"s3\" {\n source = \"h/n/s3\"\n version = \"1.0.0\"\n digests = {}\n}\n", 2),
	} {
		l, ds := readLock(text)
		if l != nil || len(ds) != 1 || ds[0].Code != diag.InvalidLock || ds[0].Severity != diag.Error || ds[0].Range.Filename != "plans/"+plan.LockFile {
			t.Errorf("%s: %v, %v", name, l, ds)
		}
	}
}

func TestWhatAPlanRequiresIsComparedWithTheLock(t *testing.T) {
	t.Parallel()
	const entry = "plugin \"s3\" {\n source = \"h/n/s3\"\n version = \"1.2.0\"\n digests = {}\n}"
	for name, c := range map[string]struct{ required, lock, says string }{
		"as locked":       {`{ source = "h/n/s3", version = "~> 1.0" }`, entry, ""},
		"any version":     {`{ source = "h/n/s3" }`, entry, ""},
		"nothing locked":  {`{ source = "h/n/s3" }`, "", "does not name it"},
		"another source":  {`{ source = "h/other/s3" }`, entry, "from h/n/s3"},
		"another version": {`{ source = "h/n/s3", version = "~> 1.3" }`, entry, "requires ~> 1.3"},
	} {
		f, ds := plan.Parse(plan.Sources{Files: []plan.Source{{Name: "plan.hcl", Text: []byte("dprun {\n  required_plugins {\n    s3 = " + c.required + "\n  }\n}\n")}}}, "dev")
		l, more := readLock(c.lock)
		if len(ds)+len(more) > 0 {
			t.Fatalf("%s: %v %v", name, ds, more)
		}
		got := f.CheckLock(l)
		if c.says == "" {
			if len(got) > 0 {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Code != diag.PluginNotLocked || !strings.Contains(got[0].Detail, c.says) || got[0].Range.Start.Line != 3 {
			t.Errorf("%s: %v", name, got)
		}
	}
	f, _ := plan.Parse(plan.Sources{Files: []plan.Source{{Name: "plan.hcl", Text: []byte("dprun {\n  required_plugins {\n    s3 = { source = \"h/n/s3\" }\n  }\n}\n")}}}, "dev")
	if got := f.CheckLock(nil); len(got) != 1 || !strings.Contains(got[0].Detail, "there is no lock file") {
		t.Errorf("without a lock file: %v", got)
	}
}

func TestAPreReleaseIsTakenOnlyByName(t *testing.T) {
	t.Parallel()
	for constraint, c := range map[string]struct{ yes, no []string }{
		"":               {[]string{"0.1.0", "2.0.0"}, []string{"1.0.0-rc1", "latest", "1.0"}},
		"~> 1.2":         {[]string{"1.2.0", "1.9.9"}, []string{"1.1.9", "2.0.0", "1.3.0-rc1"}},
		"1.3.0-rc1":      {[]string{"1.3.0-rc1"}, []string{"1.3.0-rc2"}},
		">= 1.0, != 1.1": {[]string{"1.0.0", "1.1.1"}, []string{"1.1.0", "0.9.0"}},
	} {
		f, ds := plan.Parse(plan.Sources{Files: []plan.Source{{Name: "plan.hcl", Text: []byte("dprun {\n  required_plugins {\n    s3 = { source = \"h/n/s3\", version = \"" + constraint + "\" }\n  }\n}\n")}}}, "dev")
		if len(ds) > 0 {
			t.Fatalf("%s: %v", constraint, ds)
		}
		r := f.RequiredPlugins()[0]
		for _, v := range c.yes {
			if !r.Allows(v) {
				t.Errorf("%q does not allow %s", constraint, v)
			}
		}
		for _, v := range c.no {
			if r.Allows(v) {
				t.Errorf("%q allows %s", constraint, v)
			}
		}
	}
}
