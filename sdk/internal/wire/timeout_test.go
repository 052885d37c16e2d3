package wire

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
)

func TestThePluginIsToldWhenACallIsGivenUp(t *testing.T) {
	t.Parallel()
	soon, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		left time.Duration // 0: it is not told
	}{
		"nothing is known":          {t.Context(), 0},
		"a deadline":                {soon, time.Hour},
		"a limit":                   {WithLimit(t.Context(), time.Minute), time.Minute},
		"the limit is sooner":       {WithLimit(soon, time.Minute), time.Minute},
		"the deadline is sooner":    {WithLimit(soon, 5*time.Hour), time.Hour},
		"a limit that is gone over": {WithLimit(t.Context(), -time.Hour), time.Millisecond},
	} {
		md, _ := metadata.FromOutgoingContext(Outgoing(c.ctx, t.Context()))
		got, done := Incoming(metadata.NewIncomingContext(t.Context(), md))
		defer done()
		at, ok := got.Deadline()
		if left := time.Until(at) - slack; ok != (c.left > 0) || ok && (left > c.left || left < c.left-time.Minute) {
			t.Errorf("%s: %v, %v left", name, ok, left)
		}
	}
	for _, odd := range []string{"", "x", "-1", "9223372036854775807"} {
		ctx, done := Incoming(metadata.NewIncomingContext(t.Context(), metadata.Pairs(MetaTimeout, odd)))
		defer done()
		if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
			t.Errorf("%q: bounded", odd)
		}
	}
}
