package lifecycle

import (
	"reflect"
	"runtime"
	"testing"
)

// TestATaskKeepsLittle measures the memory of tasks that wait, and of tasks that
// have ended well; alone, as it must not run beside other tests. A fleet has
// 100,000 of them.
func TestATaskKeepsLittle(t *testing.T) {
	const tasks = 5000
	measured := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for name, left := range map[string]int{"waiting": tasks, "ended": 100} {
		before := measured()
		f := exports(10, tasks/10, Limits{Parallel: 8, PerDevice: 4})
		f.until = func(r *Run) bool { return r.stage >= stageTasks && r.living <= left }
		r, _ := f.walk(t)
		each := (measured() - before) / tasks
		runtime.KeepAlive(r)
		if each > 1200 {
			t.Errorf("a task that is %s keeps %d bytes", name, each)
		}
		t.Logf("%s: %d bytes", name, each)
	}
	if !reflect.DeepEqual(idle, &work{}) {
		t.Errorf("a task that has no work has changed what others see: %+v", idle)
	}
}
