package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Built are the servers that built/run.sh compiles, or installs from npm, into
// a directory.
func Built(dir string) []Kind {
	rclone, gonfs, ssh2 := filepath.Join(dir, "rclone"), filepath.Join(dir, "gonfs"), filepath.Join(dir, "ssh2")
	return []Kind{
		{
			Name: "rclone serve sftp, current", How: alone, Needs: []string{rclone}, version: rcloneVersion(rclone),
			start: func(_ context.Context, s *Server) error {
				s.Directory = "/" // of the served one
				return s.runs(nil, rclone, "serve", "sftp", "--config", "/dev/null", "--cache-dir", s.path("cache"),
					"--addr", s.Addr(), "--key", s.path("host"), "--authorized-keys", s.path("home/.ssh/authorized_keys"), s.Dir)
			},
		},
		{
			Name: "rclone serve sftp --stdio, current", How: belowSSHD, Needs: []string{rclone}, version: rcloneVersion(rclone),
			start: func(ctx context.Context, s *Server) error { return rcloneStdio(ctx, s, rclone) },
		},
		{
			Name: "rclone serve nfs, current", How: "--vfs-cache-mode full", Protocol: "nfs", Needs: []string{rclone}, version: rcloneVersion(rclone),
			start: func(_ context.Context, s *Server) error {
				s.Directory = "/"
				return s.runs(nil, rclone, "serve", "nfs", "--config", "/dev/null", "--cache-dir", s.path("cache"),
					"--vfs-cache-mode", "full", "--addr", s.Addr(), s.Dir)
			},
		},
		{
			Name: "willscott/go-nfs", How: "its handler for a directory", Protocol: "nfs", Needs: []string{gonfs}, version: moduleVersion(gonfs, "github.com/willscott/go-nfs"),
			start: func(_ context.Context, s *Server) error {
				s.Directory = "/"
				return s.runs(nil, gonfs, s.Addr(), s.Dir)
			},
		},
		{
			Name: "ssh2 (npm)", How: "a server that opens with its flagsToString", Needs: []string{ssh2 + "/node_modules/ssh2", ssh2 + "/server.js"}, version: npmVersion(ssh2),
			start: func(_ context.Context, s *Server) error {
				node, err := exec.LookPath("node")
				if err != nil {
					return err
				}
				return s.runs(nil, node, ssh2+"/server.js", fmt.Sprint(s.Port), s.path("host"), s.path("home/.ssh/authorized_keys"), s.Dir)
			},
		},
	}
}

// rcloneVersion reads "rclone v1.2.3".
func rcloneVersion(program string) func() (string, error) {
	return func() (string, error) {
		out, err := exec.Command(program, "version").Output()
		if err != nil {
			return "", fmt.Errorf("read the version of %s: %w", program, err)
		}
		line, _, _ := strings.Cut(string(out), "\n")
		return strings.TrimSuffix(strings.TrimPrefix(line, "rclone "), "-DEV"), nil // built from its module, it calls itself so
	}
}

// moduleVersion reads which version of a module a program was built with.
func moduleVersion(program, module string) func() (string, error) {
	return func() (string, error) {
		out, err := exec.Command("go", "version", "-m", program).Output()
		if err != nil {
			return "", fmt.Errorf("read the version of %s: %w", module, err)
		}
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" && f[1] == module {
				return f[2], nil
			}
		}
		return "", fmt.Errorf("read the version of %s: %s was built without it", module, program)
	}
}

func npmVersion(dir string) func() (string, error) {
	return func() (string, error) {
		cmd := exec.Command("node", "-p", "require('ssh2/package.json').version")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("read the version of ssh2: %w", err)
		}
		return strings.TrimSpace(string(out)), nil
	}
}
