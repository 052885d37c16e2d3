package view

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/report"
)

func TestAPreviewOfManyTasksIsCountedUnlessAllAreAskedFor(t *testing.T) {
	t.Parallel()
	v := &report.Preview{Plan: "nightly", Contacted: true}
	for i := range 108 {
		k := report.PreviewTask{Task: fmt.Sprintf("domains/fra-%d/d%03d", i%2, i), Activity: "domains", Device: fmt.Sprintf("fra-%d", i%2), Domain: fmt.Sprintf("d%03d", i),
			Disruptive: "quiesces the domain", Paths: map[string]string{"file.local": fmt.Sprintf("fra-%d/domain/d%03d", i%2, i)}}
		if i%10 == 0 {
			k = report.PreviewTask{Task: k.Task, Activity: k.Activity, Device: k.Device, Domain: k.Domain, Code: "SKIPPED_APIC_DOMAIN", Message: "API Connect has it"}
		}
		v.Tasks = append(v.Tasks, k)
	}
	var s stage
	s.human(nil).Show(*v)
	same(t, "counted", s.out.String(), `Plan nightly

ACTIVITY  DEVICE  TASKS  QUIESCES             WOULD END IN         WHY
domains   fra-0      11                       SKIPPED_APIC_DOMAIN  API Connect has it
domains   fra-1      54  quiesces the domain
domains   fra-0      43  quiesces the domain

TASK                DESTINATION  PATH
domains/fra-1/d001  file.local   fra-1/domain/d001

The tasks are counted, and the paths are those of one task of each activity; --all shows every task.

97 tasks would run, 11 would not; 97 take something out of service.
`)
	s.out.Reset()
	s.human(func(o *Options) { o.EveryTask = true }).Show(*v)
	if n := strings.Count(s.out.String(), "\n"); n < 200 || strings.Contains(s.out.String(), "--all") {
		t.Errorf("%d lines:\n%s", n, s.out.String())
	}
}
