package ganesha

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ExportPath is the exported path, as clients name it.
const ExportPath = "/export"

const (
	startLimit = 30 * time.Second
	startTries = 3
	pollPause  = 20 * time.Millisecond
	readyText  = "NFS SERVER INITIALIZED"
)

// Server is a running server.
type Server struct {
	Host      string
	NFSPort   int
	MountPort int
	// Export is the exported path to mount.
	Export string
	// ExportDir is that directory on the local disk. It is empty for an export
	// of limited size, which only the server sees.
	ExportDir string

	t      testing.TB
	config config
	run    *process
}

type config struct {
	dir      string // private directory of this server
	size     int64  // bytes of the export's own tmpfs; 0: a directory on disk
	readOnly bool
}

// Option changes what is exported.
type Option func(*config)

// WithSize exports a file system of its own that holds about so many bytes.
func WithSize(bytes int64) Option { return func(c *config) { c.size = bytes } }

// ReadOnly makes the server refuse changes.
func ReadOnly() Option { return func(c *config) { c.readOnly = true } }

// Start starts a server that ends with the test. What is missing on the machine
// fails the test: a test that was meant to talk to a real server must not pass
// without one.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a real NFS server can only be started by root: run the tests as root")
	}
	for _, name := range []string{"ganesha.nfsd", "rpcbind", "unshare", "ip"} {
		if _, err := lookTool(name); err != nil {
			t.Fatalf("%s is missing (%v): run `make deps`, which installs nfs-ganesha, nfs-ganesha-vfs, rpcbind, util-linux and iproute2", name, err)
		}
	}
	s := &Server{t: t, Host: "127.0.0.1", Export: ExportPath}
	s.config.dir = t.TempDir()
	for _, o := range options {
		o(&s.config)
	}
	export := filepath.Join(s.config.dir, "export")
	for _, dir := range []string{export, filepath.Join(s.config.dir, "recovery")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if s.config.size == 0 {
		s.ExportDir = export
	}
	s.start()
	t.Cleanup(s.Kill)
	return s
}

// Kill ends the server at once, as a power cut would, and waits for its end.
func (s *Server) Kill() {
	if s.run != nil {
		s.run.kill()
		s.run = nil
	}
}

// Restart starts a killed server again, at the same ports. The content of an
// export made by WithSize is gone.
func (s *Server) Restart() error {
	s.Kill()
	var err error
	if s.run, err = s.launch(); err != nil {
		return fmt.Errorf("restart nfs-ganesha: %w", err)
	}
	return nil
}

// start tries a few times: a port may be taken between its choice and its use.
func (s *Server) start() {
	s.t.Helper()
	var err error
	for range startTries {
		if s.NFSPort, s.MountPort, err = freePorts(); err != nil {
			s.t.Fatal(err)
		}
		if s.run, err = s.launch(); err == nil {
			return
		}
	}
	s.t.Fatalf("starting nfs-ganesha: %v", err)
}

func freePorts() (int, int, error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}

func lookTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name) // not in everybody's PATH
}

// launchScript runs in a mount namespace of its own. It gives the two servers a
// private /run, starts them, says the NFS server's process id, and ends them
// when its standard input ends, however the test process died.
const launchScript = `
set -e
export PATH="$PATH:/usr/sbin:/sbin"
mount -t tmpfs tmpfs /run
mkdir -p /run/rpcbind /run/ganesha
if [ "$3" != 0 ]; then mount -t tmpfs -o "size=$3" tmpfs "$1/export"; fi
unshare -n sh -c 'ip link set lo up; exec rpcbind -f -w' >"$1/rpcbind.log" 2>&1 </dev/null &
rpcbind=$!
trap 'kill -9 $rpcbind $ganesha 2>/dev/null || true; wait || true' EXIT
i=0
while [ ! -S /run/rpcbind.sock ]; do
	i=$((i+1)); [ $i -lt 500 ] || { echo "rpcbind does not start" >&2; exit 1; }
	sleep 0.02
done
ganesha.nfsd -F -L "$2" -f "$1/ganesha.conf" -p "$1/ganesha.pid" -N NIV_EVENT >>"$1/out.log" 2>&1 </dev/null &
ganesha=$!
echo $ganesha
read -r end || true
`

// process is one life of the server.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   string
	pid   int
	ended chan struct{}
}

func (s *Server) launch() (*process, error) {
	dir := s.config.dir
	log := filepath.Join(dir, "ganesha.log")
	if err := os.RemoveAll(log); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "ganesha.conf"), []byte(s.configText()), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", launchScript, "sh",
		dir, log, strconv.FormatInt(s.config.size, 10))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, log: log, ended: make(chan struct{})}
	line := make([]byte, 32)
	n, _ := out.Read(line) // an end without a line shows as a bad number
	p.pid, err = strconv.Atoi(strings.TrimSpace(string(line[:n])))
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // it is always ended by a signal or by us
	}()
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("the server's processes did not start: %s", complaint.String())
	}
	if err := p.waitReady(); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// waitReady waits until the server's log says that it serves.
func (p *process) waitReady() error {
	for end := time.Now().Add(startLimit); ; time.Sleep(pollPause) {
		text, err := os.ReadFile(p.log)
		if err == nil && bytes.Contains(text, []byte(readyText)) {
			return nil
		}
		if !alive(p.pid) {
			return fmt.Errorf("it ended while starting; its log ends:\n%s", tail(text))
		}
		if time.Now().After(end) {
			return fmt.Errorf("it is not ready after %v; its log ends:\n%s", startLimit, tail(text))
		}
	}
}

// alive reads the process's state: one that ended and was not waited for is
// still listed, as a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(stat, []byte(") "))
	return ok && len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }

// kill ends the server, and by the end of their input its companions.
func (p *process) kill() {
	if p.pid > 1 {
		_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may have ended already
	}
	p.stdin.Close()
	<-p.ended
}

func (s *Server) configText() string {
	access, filesystem := "RW", ""
	if s.config.readOnly {
		access = "RO"
	}
	if s.config.size != 0 {
		filesystem = "Filesystem_Id = 77.77;" // a tmpfs has none of its own
	}
	return fmt.Sprintf(`
NFS_CORE_PARAM {
  Bind_addr = 127.0.0.1; NFS_Port = %d; MNT_Port = %d; Protocols = 3; mount_path_pseudo = true;
  Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;
}
NFSV4 { RecoveryRoot = %q; RecoveryBackend = fs; Graceless = true; Only_Numeric_Owners = true; }
EXPORT {
  Export_Id = 1; Path = %q; Pseudo = %q; Access_Type = %s; %s
  Squash = No_Root_Squash; SecType = sys; Transports = TCP; FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`, s.NFSPort, s.MountPort, filepath.Join(s.config.dir, "recovery"),
		filepath.Join(s.config.dir, "export"), ExportPath, access, filesystem)
}
