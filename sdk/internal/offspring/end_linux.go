package offspring

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// rounds bounds how often End looks again. A process may start another one
// while End looks.
const rounds = 10

// End kills every process that has dir in its environment or runs below it,
// except this one.
func End(dir string) {
	if len(dir) < 2 || !filepath.IsAbs(dir) {
		return
	}
	for range rounds {
		found := false
		procs, _ := filepath.Glob("/proc/[0-9]*")
		for _, proc := range procs {
			pid, err := strconv.Atoi(filepath.Base(proc))
			if err != nil || pid == os.Getpid() || !belongs(proc, dir) {
				continue
			}
			found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
		}
		if !found {
			return
		}
	}
}

func belongs(proc, dir string) bool {
	if env, err := os.ReadFile(proc + "/environ"); err == nil && bytes.Contains(env, []byte("="+dir+"/")) {
		return true
	}
	cwd, err := os.Readlink(proc + "/cwd")
	return err == nil && (cwd == dir || strings.HasPrefix(cwd, dir+"/"))
}
