package wire

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dprun/dprun/sdk/failure"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

func TestEveryWordOfAFailureHasItsNumber(t *testing.T) {
	t.Parallel()
	for _, k := range failure.Kinds() {
		if e := Enum[pluginv1.FailureKind](k); e == 0 || Word[failure.Kind](e) != k {
			t.Errorf("kind %s: %v", k, e)
		}
	}
	var used []protoreflect.EnumNumber
	for _, c := range failure.Calls() {
		for _, r := range failure.Reasons(c) {
			e := Enum[pluginv1.Reason](r)
			if e == 0 != (r == "") || Word[failure.Reason](e) != r {
				t.Errorf("reason %s: %v", r, e)
			}
			used = append(used, e.Number())
		}
	}
	values := pluginv1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		if !slices.Contains(used, values.Get(i).Number()) {
			t.Errorf("no call gives %s", values.Get(i).Name())
		}
	}
}

// TestWhatANewerPluginSaysStillCounts: words that this side does not know.
func TestWhatANewerPluginSaysStillCounts(t *testing.T) {
	t.Parallel()
	f := FailureFromWire(failure.CallStore, &pluginv1.Failure{Kind: 999, Reason: 999, Message: "m", Remedy: "r"})
	if f.Kind != failure.Internal || f.Reason != "" || f.Message != "m" || f.Remedy != "r" {
		t.Errorf("%+v", f)
	}
}
