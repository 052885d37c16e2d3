package daemon

import (
	"fmt"
	"os"
	"strings"
)

// Passwd writes a copy of /etc/passwd in which a user has another home and a
// shell that runs commands. A server sees it through [Spec].Over.
func Passwd(file, user, home string) error {
	b, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	var out strings.Builder
	found := false
	for line := range strings.Lines(string(b)) {
		// name:password:uid:gid:comment:home:shell
		if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(f) == 7 && f[0] == user {
			found = true
			f[5], f[6] = home, "/bin/sh"
			line = strings.Join(f, ":") + "\n"
		}
		out.WriteString(line)
	}
	if !found {
		return fmt.Errorf("write %s: /etc/passwd has no user %q", file, user)
	}
	return os.WriteFile(file, []byte(out.String()), 0o644)
}
