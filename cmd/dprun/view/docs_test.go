package view

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestThePageOnJSONNamesEveryTypeAndField(t *testing.T) {
	t.Parallel()
	var page []byte
	for _, name := range []string{"json.md", "json-backups.md", "serve.md"} {
		page = append(page, need.Value(os.ReadFile("../../../docs/"+name))(t)...)
	}
	var types []string
	for _, k := range results {
		types = append(types, k.json)
	}
	for _, name := range []string{"json.go", "results.go"} {
		for _, m := range regexp.MustCompile(`(?:line\(j, |each\(j, |typ :?= )"(\w+)"`).FindAllStringSubmatch(string(need.Value(os.ReadFile(name))(t)), -1) {
			types = append(types, m[1])
		}
	}
	if len(types) < 55 {
		t.Fatalf("only %d types are found", len(types))
	}
	for _, typ := range types {
		if !strings.Contains(string(page), "`"+typ+"`") {
			t.Errorf("the type %q is not on the page", typ)
		}
	}
	for _, v := range []any{
		report.Version{}, report.Validation{}, report.Format{}, report.Archive{}, report.Diff{}, report.Drift{}, archive.Difference{}, report.Explanation{}, report.Plugin{}, report.NewPlugin{}, report.PluginRule{}, report.PluginTest{}, report.RunDetail{}, report.Pruned{}, report.Acknowledged{}, report.Failure{}, report.BackupFault{}, report.CheckedDestination{}, report.FetchedBackup{}, report.EvidenceRecord{}, report.ExportedEvidence{}, report.VerifiedEvidence{}, report.Pack{}, report.Schedule{}, report.Firings{},
		report.Preview{}, report.Check{}, checkFinding{}, report.Owed{}, diag.Diagnostic{}, event.RunInfo{}, event.Status{}, event.Progress{}, event.Log{}, event.Summary{},
	} {
		fields(t, string(page), reflect.TypeOf(v), map[reflect.Type]bool{})
	}
}

// fields checks the names of a struct's fields and of the structs in it.
func fields(t *testing.T, page string, typ reflect.Type, seen map[reflect.Type]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || seen[typ] || typ.PkgPath() == "github.com/dprun/dprun/plugins/datapower/archive" && typ.Name() == "Device" {
		return
	}
	seen[typ] = true
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name != "" && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s: the field %q is not on the page", typ, name)
		}
		fields(t, page, f.Type, seen)
	}
}
