package soak

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAShortSoak is a round as `make soak` plays many: a few kills, and all that is told of them.
func TestAShortSoak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dprun := filepath.Join(dir, "dprun")
	build := exec.Command("go", "build", "-o", dprun, "github.com/dprun/dprun/cmd/dprun")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build dprun: %v\n%s", err, out)
	}
	rounds := filepath.Join(dir, "rounds")
	if err := os.Mkdir(rounds, 0o700); err != nil {
		t.Fatal(err)
	}
	figures, err := Run(t.Context(), Options{Dprun: dprun, Dir: rounds, Rounds: 1, Pairs: 6, Kills: 5, For: 4 * time.Minute, Mischief: 3 * time.Second, Seed: uint64(time.Now().UnixNano())})
	var b strings.Builder
	figures.Print(&b)
	t.Log(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if figures.KillsInAll() < 5 || figures.Outages == 0 || figures.Tasks == 0 {
		t.Error("too little has happened: this proves nothing")
	}
	if left, err := os.ReadDir(rounds); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
