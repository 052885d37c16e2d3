package listen_test

import (
	"slices"
	"testing"

	"github.com/dprun/dprun/runner/listen"
)

func TestNothingIsHeardWhenDeaf(t *testing.T) {
	t.Parallel()
	from, got := make(chan int), []int{}
	deaf := listen.To(from, func(v int) bool { got = append(got, v); return true })
	from <- 1
	from <- 2
	deaf()
	select {
	case from <- 3:
		t.Error("somebody listens after deaf")
	default:
	}
	if !slices.Equal(got, []int{1, 2}) { // deaf has waited for the last call
		t.Errorf("heard %v", got)
	}
}

func TestWhoHasHeardEnoughHearsNoMore(t *testing.T) {
	t.Parallel()
	from := make(chan int, 2)
	from <- 1
	from <- 2
	heard := make(chan int, 2)
	deaf := listen.To(from, func(v int) bool { heard <- v; return false })
	if v := <-heard; v != 1 {
		t.Errorf("heard %d", v)
	}
	deaf()
	if len(from) != 1 || len(heard) != 0 {
		t.Errorf("%d left, %d heard", len(from), len(heard))
	}
}
