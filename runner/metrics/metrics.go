// Package metrics defines the metrics and writes them in the text format of Prometheus.
package metrics

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// StateLabel is on every metric. node_exporter reads the files of several state
// directories on one host, and drops a series that it has from another file.
const StateLabel = "state"

// Family is a metric: its name, its meaning and its labels other than StateLabel. All
// metrics are gauges.
type Family struct {
	Name   string
	Help   string
	Labels []string
}

// The names of the metrics.
const (
	BuildInfo       = "dprun_build_info"
	WrittenTime     = "dprun_metrics_time_seconds"
	JournalReadable = "dprun_journal_readable"
	RunStart        = "dprun_run_start_time_seconds"
	RunEnd          = "dprun_run_end_time_seconds"
	RunDuration     = "dprun_run_duration_seconds"
	RunExitCode     = "dprun_run_exit_code"
	RunTasks        = "dprun_run_tasks"
	RunSuccess      = "dprun_run_last_success_time_seconds"
	RunRunning      = "dprun_run_running_since_time_seconds"
	SetTime         = "dprun_set_time_seconds"
	SetsLeftOut     = "dprun_sets_left_out"
	Owed            = "dprun_owed"
	OwedSince       = "dprun_owed_since_time_seconds"
	OwedUnknown     = "dprun_owed_unknown"
	Breakers        = "dprun_breaker_since_time_seconds"
	Hold            = "dprun_hold_since_time_seconds"
	Free            = "dprun_destination_free_bytes"
	Total           = "dprun_destination_size_bytes"
	StateSize       = "dprun_state_directory_bytes"
	StateFree       = "dprun_state_directory_free_bytes"
)

// Families returns all metrics in the order in which they are written. Every file
// describes all of them, so that files never disagree about a metric.
func Families() []Family {
	return []Family{
		{BuildInfo, "1, with the version of dprun that wrote this.", []string{"version"}},
		{WrittenTime, "When this was written. Everything else is as of then.", nil},
		{JournalReadable, "1 where the journal can be read; 0: what it would tell is missing here.", nil},
		{RunStart, "When the plan's last ended run began.", []string{"plan", "file"}},
		{RunEnd, "When the plan's last ended run ended.", []string{"plan", "file"}},
		{RunDuration, "How long the plan's last ended run took.", []string{"plan", "file"}},
		{RunExitCode, "Exit code of the plan's last ended run.", []string{"plan", "file"}},
		{RunTasks, "Tasks of the plan's last ended run by the status in which they ended.", []string{"plan", "file", "status"}},
		{RunSuccess, "When the plan's last run ended that had exit code 0 and was not narrowed.", []string{"plan", "file"}},
		{RunRunning, "Since when a run of the plan is under way, or unfinished because its process died.", []string{"plan", "file"}},
		{SetTime, "When the newest set was captured that is whole at a destination, as far as is known here; by the plan that stored it; of a device as a whole the domain is empty.", []string{"plan", "activity", "device", "domain"}},
		{SetsLeftOut, "Domains for which no dprun_set_time_seconds is written, because there are too many: then each device has one, of the oldest of its domains.", nil},
		{Owed, "What is not undone: a device or domain that may be quiesced (unquiesce), a script that leads traffic back (after_unquiesce), files on a device (discard), other scripts (post_script), the domain of a drill (drop_domain), a restore whose end is not proven (restore). held: a process is at work on it in time.", []string{"kind", "held"}},
		{OwedSince, "Since when the oldest of what must still be undone has been pending.", []string{"kind", "held"}},
		{OwedUnknown, "1 if something that cannot be read may have to be undone.", nil},
		{Breakers, "Since when a device that did not come back keeps others from being quiesced.", []string{"device", "environment"}},
		{Hold, "Since when somebody has put all quiesces on hold.", nil},
		{Free, "Bytes that were free at a destination when the plan's last ended run looked.", []string{"plan", "file", "destination"}},
		{Total, "Size in bytes of a destination, likewise.", []string{"plan", "file", "destination"}},
		{StateSize, "Bytes of all files in the state directory.", nil},
		{StateFree, "Bytes that are free on the file system of the state directory.", nil},
	}
}

// Values holds values of the metrics.
type Values struct {
	State string // the state directory's path
	of    map[string][]string
}

// Set adds a value. Its labels are in the order of the family.
func (v *Values) Set(name string, value float64, labels ...string) {
	if v.of == nil {
		v.of = map[string][]string{}
	}
	v.of[name] = append(v.of[name], pairs(append([]string{StateLabel}, family(name).Labels...), append([]string{v.State}, labels...))+" "+number(value))
}

// SetTime adds a time. It ignores the zero time, which means that the time is unknown.
func (v *Values) SetTime(name string, at time.Time, labels ...string) {
	if !at.IsZero() {
		v.Set(name, float64(at.UnixMilli())/1000, labels...)
	}
}

func family(name string) Family {
	all := Families()
	return all[slices.IndexFunc(all, func(f Family) bool { return f.Name == name })]
}

func pairs(names, values []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = name + `="` + escaped(values[i]) + `"`
	}
	return "{" + strings.Join(all, ",") + "}"
}

// escaped writes the value of a label in the text format.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

func number(value float64) string {
	if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
		return strconv.FormatInt(int64(value), 10)
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

// WriteTo writes all metrics, also those without a value.
func (v *Values) WriteTo(w io.Writer) (n int64, err error) {
	var b strings.Builder
	for _, f := range Families() {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", f.Name, f.Help, f.Name)
		lines := v.of[f.Name]
		slices.Sort(lines)
		for _, line := range lines {
			b.WriteString(f.Name + line + "\n")
		}
	}
	written, err := io.WriteString(w, b.String())
	return int64(written), err
}
