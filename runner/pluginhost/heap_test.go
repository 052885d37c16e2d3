package pluginhost

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestTheMemoryLimitFollowsWhatIsInUse: a plugin that needs much does not collect all the time.
func TestTheMemoryLimitFollowsWhatIsInUse(t *testing.T) {
	boundHeap()
	limit := func(fits func(int64) bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !fits(debug.SetMemoryLimit(-1)); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the limit is %d", debug.SetMemoryLimit(-1))
			}
			runtime.GC()
		}
	}
	large := make([]byte, 4*smallHeap)
	limit(func(l int64) bool { return l > 8*smallHeap })
	runtime.KeepAlive(large)
	limit(func(l int64) bool { return l < 4*smallHeap })
}
