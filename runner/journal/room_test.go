package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestARunHasOneRowOfEachDestination(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	row := func(destination string, free int64, days int) Room {
		return Room{Destination: destination, Root: "/b", Free: free, Total: 100, At: noon.AddDate(0, 0, days)}
	}
	for i, run := range []string{"01A", "01B", "01C"} {
		createRun(t, j, Run{ID: run, Plan: map[bool]string{true: "weekly", false: "nightly"}[run == "01C"], Started: noon.AddDate(0, 0, i)})
		need.Done(t, j.Append(t.Context(), run, Batch{Rooms: []Room{row("sftp.vault", int64(50-i), i), row("file.a", -1, i)}}))
	}
	need.Done(t, j.Append(t.Context(), "01A", Batch{Rooms: []Room{row("sftp.vault", 1, 0)}})) // a second look, after stores
	if diff := cmp.Diff([]Room{row("file.a", -1, 0), row("sftp.vault", 50, 0)}, need.Value(j.RoomsOf(t.Context(), "01A"))(t)); diff != "" {
		t.Error(diff)
	}
	for since, want := range map[time.Time][]Room{noon: {row("sftp.vault", 49, 1), row("sftp.vault", 50, 0)}, noon.Add(time.Hour): {row("sftp.vault", 49, 1)}} {
		if diff := cmp.Diff(want, need.Value(j.Rooms(t.Context(), "nightly", "sftp.vault", since))(t)); diff != "" {
			t.Errorf("since %s: %s", since, diff)
		}
	}
}
