package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/metrics"
	"github.com/dprun/dprun/testfixtures/need"
)

func written(t *testing.T, v *metrics.Values) string {
	t.Helper()
	var b strings.Builder
	need.Value(v.WriteTo(&b))(t)
	return b.String()
}

// The collector of node_exporter rejects files that say different things of one metric.
func TestEveryMetricIsDescribedTheSameWithAndWithoutAValue(t *testing.T) {
	t.Parallel()
	var v metrics.Values
	v.Set(metrics.Owed, 2, "unquiesce", "false")
	comments := func(text string) (out []string) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "#") {
				out = append(out, line)
			}
		}
		return out
	}
	with, without := comments(written(t, &v)), comments(written(t, &metrics.Values{}))
	if strings.Join(with, "") != strings.Join(without, "") || len(with) != 2*len(metrics.Families()) {
		t.Errorf("%d and %d comments for %d metrics", len(with), len(without), len(metrics.Families()))
	}
}

func TestValuesAreWrittenAsTheFormatHasThem(t *testing.T) {
	t.Parallel()
	v := metrics.Values{State: "/s"}
	v.Set(metrics.RunTasks, 3, `a "plan"`, "/srv\\plans\n", "SUCCESS")
	v.Set(metrics.RunDuration, 1.25, "p", "f")
	v.Set(metrics.Free, 1<<50, "p", "f", "file.disk")
	v.SetTime(metrics.WrittenTime, time.UnixMilli(1795897525697))
	v.SetTime(metrics.Hold, time.Time{})
	text := written(t, &v)
	for _, want := range []string{
		"dprun_run_tasks{state=\"/s\",plan=\"a \\\"plan\\\"\",file=\"/srv\\\\plans\\n\",status=\"SUCCESS\"} 3\n",
		"dprun_run_duration_seconds{state=\"/s\",plan=\"p\",file=\"f\"} 1.25\n",
		"dprun_destination_free_bytes{state=\"/s\",plan=\"p\",file=\"f\",destination=\"file.disk\"} 1125899906842624\n",
		"\ndprun_metrics_time_seconds{state=\"/s\"} 1.795897525697e+09\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\ndprun_hold_since") {
		t.Error("a time that is not known has a value")
	}
}
