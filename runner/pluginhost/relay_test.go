package pluginhost

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAFloodOfLinesIsCutAndToldOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	r := newRelay(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), func(s string) string { return s })
	r.now = func() time.Time { return now }
	for range 2 {
		for range 3000 {
			r.line(strings.Repeat("x", 1024))
		}
		r.line(`{"@message":"it fails","@level":"error"}`)
		now = now.Add(time.Second)
		r.line("quiet again")
	}
	text := out.String()
	if n := strings.Count(text, "msg=xxx"); n < 2040 || n > 2048 {
		t.Errorf("%d of the lines were logged, want 1 MiB of them in each second", n)
	}
	for what, want := range map[string]int{"floods its log": 1, "it fails": 2, "quiet again": 2} {
		if n := strings.Count(text, what); n != want {
			t.Errorf("%q stands there %d times, want %d", what, n, want)
		}
	}
	if tail := r.tail(); !strings.HasSuffix(tail, "quiet again") {
		t.Errorf("the last lines are %q", tail)
	}
}
