package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const secureBackup = `
plan "p" {
  destinations = [destination.file.local]
  activity "secure_backup" "sb" {
    devices = ["*"]
    quiesce = "device"
    config { certificate = "backup" }
  }
}
`

// TestASecureBackupOf300MBTakesConstantMemory: eight files, 300 MB in all,
// fetched, verified, stored and read back in what dprun needs for small ones.
func TestASecureBackupOf300MBTakesConstantMemory(t *testing.T) {
	t.Parallel()
	gw := dpsim.Device{Name: "gw", AppDomains: 1, Certificates: []dpsim.Certificate{{Name: "backup"}}, SecureBackup: &dpsim.SecureBackup{}}
	for i, mb := range []int{100, 60, 40, 40, 30, 15, 10, 5} {
		gw.SecureBackup.Files = append(gw.SecureBackup.Files, dpsim.BackupFile{Name: fmt.Sprintf("part%d.tgz", i+1), Size: fmt.Sprintf("%dMB", mb)})
	}
	p := newProgram(t, build(t), secureBackup, gw)
	run := p.start("apply", "--yes", "plan.hcl")
	var peak atomic.Int64
	stop := make(chan struct{})
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			sum := pssOf(run.cmd.Process.Pid)
			for _, child := range childrenOf(run.cmd.Process.Pid) {
				sum += pssOf(child)
			}
			peak.Store(max(peak.Load(), sum))
		}
	}()
	exit, out := run.wait()
	close(stop)
	<-sampled
	if exit != 0 {
		t.Fatalf("exit %d:\n%s", exit, out)
	}
	if mb := peak.Load() >> 20; mb == 0 || mb > 128 {
		t.Errorf("dprun and its plugins took %d MiB at their peak, want at most 128", mb)
	}
	var total int64
	sets := 0
	for _, f := range files(t, filepath.Join(p.dir, "backups")) {
		info := need.Value(os.Stat(filepath.Join(p.dir, "backups", f)))(t)
		if strings.HasSuffix(f, ".tgz") {
			total += info.Size()
		}
		if strings.HasSuffix(f, ".dprun.json") {
			sets++
		}
	}
	if total != 300_000_000 || sets != 1 {
		t.Errorf("%d bytes of backup files and %d manifests at the destination, want 300000000 and 1", total, sets)
	}
	if left := p.fleet.State().Device("gw").Files; len(left) != 0 {
		t.Errorf("files of the backup are still on the device: %v", left)
	}
	if state := p.quiesceState("gw", "app01"); state != "" {
		t.Errorf("app01 is %s", state)
	}
}

// pssOf is a process's proportional set size in bytes; 0 when it is gone.
func pssOf(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// TestABrokenSecureBackupLeavesNoSetThatLooksWhole: each fault ends in its own code.
func TestABrokenSecureBackupLeavesNoSetThatLooksWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, code string }{
		{"secure_backup_wrong_hash", "EXECUTION_SECURE_BACKUP_WRONG_FILE_HASH"},
		{"manifest_missing_file", "EXECUTION_SECURE_BACKUP_MISSING_FILE"},
		{"secure_backup_short_file", "EXECUTION_SECURE_BACKUP_WRONG_FILE_SIZE"},
		{"secure_backup_empty_file", "EXECUTION_SECURE_BACKUP_EMPTY_FILE"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1,
				Certificates: []dpsim.Certificate{{Name: "backup"}}, Timings: &dpsim.Timings{SecureBackup: "0s"}}}})
			need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: c.fault}))
			res := s.apply(secureBackup)
			if h := s.sink.history("sb/gw"); res.ExitCode != 1 || last(h) != c.code {
				t.Errorf("exit %d, history %v; want %s", res.ExitCode, h, c.code)
			}
			if left := files(t, s.dir+"/backups"); len(left) > 0 {
				t.Errorf("at the destination: %v", left)
			}
			if down := s.down(); len(down) > 0 {
				t.Errorf("left quiesced: %v", down)
			}
			if left := s.fleet.State().Device("gw").Files; len(left) > 0 {
				t.Errorf("on the device: %v", left)
			}
		})
	}
}
