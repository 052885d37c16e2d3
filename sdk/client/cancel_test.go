package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// late is a rude plugin that is asked to end calls and whose answer is always
// that the time for that is over, whatever the caller's clock says.
type late struct{ rude }

func (late) Cancel(context.Context, *pluginv1.CancelRequest) (*pluginv1.CancelReply, error) {
	return nil, status.Error(codes.DeadlineExceeded, "too late")
}

// TestAPluginThatDoesNotEndACallIsSaidToHang: also where it says before the
// caller's clock does that its time is over.
func TestAPluginThatDoesNotEndACallIsSaidToHang(t *testing.T) {
	t.Parallel()
	d := dial(t, late{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Store(ctx, sdk.StoreRequest{Path: "deaf"}, nil)
	if hang := new(client.HangError); !errors.As(err, &hang) || hang.Failure.Kind != failure.Timeout {
		t.Errorf("got %v", err)
	}
}
