package settle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// alive reports whether a process runs. A zombie does not.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat("/proc/self"); err == nil {
			return false
		}
		return true // there is no /proc to ask
	}
	if err != nil {
		return true
	}
	return !strings.HasPrefix(afterName(string(b)), "Z")
}

// Stopped reports whether a process is stopped, as by SIGSTOP: it exists but does
// nothing.
func Stopped(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.HasPrefix(afterName(string(b)), "T")
}

// afterName returns what follows the program's name in /proc/PID/stat. The name is in
// parentheses and may hold any character, including parentheses.
func afterName(stat string) string {
	return strings.TrimPrefix(stat[strings.LastIndexByte(stat, ')')+1:], " ")
}
