package view

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

type kind struct {
	of    reflect.Type
	json  string                                                    // the type of its object, or of each object of a list
	write func(h *Human, b *strings.Builder, p painter, result any) // writes it for a person
}

func result[T any](json string, write func(h *Human, b *strings.Builder, p painter, result T)) kind {
	return kind{reflect.TypeFor[T](), json, func(h *Human, b *strings.Builder, p painter, v any) { write(h, b, p, v.(T)) }}
}

var results = []kind{
	result("version", (*Human).showVersion),
	result("init", (*Human).showInit),
	result("validation", (*Human).showValidation),
	result("format", (*Human).showFormat),
	result("preview", (*Human).showPreview),
	result("check", (*Human).showCheck),
	result("owed", (*Human).showOwed), // an empty list says that nothing is pending
	result("quiesce_stop", (*Human).showHold),
	result("acknowledged", (*Human).showAcknowledged),
	result("run", (*Human).showRuns),
	result("run", (*Human).showRunDetail),
	result("log", (*Human).showLogs),
	result("backup", (*Human).showBackups),
	result("backup_detail", (*Human).showBackup),
	result("imported", (*Human).showImported),
	result("backup_fault", (*Human).showBackupFault),
	result("checked_destination", (*Human).showCheckedDestination),
	result("fetched_backup", (*Human).showFetchedBackup),
	result("pack", (*Human).showPack),
	result("coverage", (*Human).showCoverage),
	result("evidence", (*Human).showEvidence),
	result("evidence_record", (*Human).showEvidenceRecord),
	result("exported_evidence", (*Human).showExportedEvidence),
	result("verified_evidence", (*Human).showVerifiedEvidence),
	result("schedule", (*Human).showSchedule),
	result("drilled_set", (*Human).showDrilledSet),
	result("drill", (*Human).showDrill),
	result("firings", (*Human).showFirings),
	result("pruned_backups", (*Human).showPrunedBackups),
	result("rehearsal", (*Human).showRehearsal),
	result("restore", (*Human).showRestore),
	result("pruned", (*Human).showPruned),
	result("swept", (*Human).showSwept),
	result("archive", (*Human).showArchive),
	result("diff", (*Human).showDiff),
	result("drift", (*Human).showDrift),
	result("code", (*Human).showCodes),
	result("code", (*Human).showExplanation),
	result("plugin", (*Human).showPlugins),
	result("plugin_schema", (*Human).showPlugin),
	result("new_plugin", (*Human).showNewPlugin),
	result("plugin_rule", (*Human).showPluginRule),
	result("plugin_test", (*Human).showPluginTest),
}

// kindFor returns the kind of a result. An error means a mistake in this program.
func kindFor(result any) (kind, error) {
	for _, k := range results {
		if k.of == reflect.TypeOf(result) {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("there is no way to show a %T", result)
}

// Show implements [View]. It writes the parts of large results as objects of their own,
// so that lines stay short enough for a log.
func (j *JSON) Show(result any) {
	k, err := kindFor(result)
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.err = cmp.Or(j.err, err)
		return
	}
	switch v := result.(type) {
	case report.Preview:
		line(j, k.json, previewed{&v, len(v.Tasks)})
		each(j, "preview_task", v.Tasks)
	case report.Check:
		for _, s := range v.Subjects {
			for _, f := range s.Findings {
				line(j, "check_finding", checkFinding{s.Kind, s.Name, f})
			}
		}
		line(j, k.json, checked{&v, len(v.Subjects)})
	case report.Hold:
		each(j, k.json, v.Stops)
	case report.RunDetail:
		line(j, k.json, v)
		for t := range details(v) {
			line(j, "task_detail", t)
		}
	case report.Coverage:
		each(j, "coverage_subject", v.Subjects)
		line(j, k.json, v)
	case report.Drill:
		for _, s := range v.Sets {
			if s.Verdict == "" { // others were reported when they were drilled
				line(j, "drilled_set", s)
			}
		}
		line(j, k.json, v)
	case report.Diff:
		each(j, "difference", v.Differences)
		line(j, k.json, v)
	default:
		if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
			for i := range list.Len() {
				line(j, k.json, list.Index(i).Interface())
			}
		} else {
			line(j, k.json, v)
		}
	}
}
