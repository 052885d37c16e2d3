package sftp

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sftpshort"
)

// fakeServer is an SFTP server in the test's process: for logins that a real
// sshd needs the system's user database for, and for faults and abilities that
// a real one cannot be made to have. It has no fsync.
type fakeServer struct {
	noSubsystem  bool
	secondFactor bool       // a password is not all that keyboard-interactive asks for
	authority    ssh.Signer // signs the host key; nil: it has no certificate
	addr         *net.TCPAddr
	dir          string
	knownHosts   string

	password string     // accepted by method password
	answer   string     // accepted by keyboard-interactive
	banner   string     // empty: the SSH library's
	short    uint32     // OpenSSH's sftp-server serves dir, with answers of so many bytes
	hangUp   bool       // a request of SSH itself ends the connection
	files    *diskFiles // nil: without faults
}

const fakeUser, fakePassword = "dprun", "correct horse"

func startFake(t testing.TB, f *fakeServer) *fakeServer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := need.Value(ssh.NewSignerFromKey(key))(t)
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	if f.files == nil {
		f.files = &diskFiles{}
	}
	f.addr = l.Addr().(*net.TCPAddr)
	f.dir = t.TempDir()
	f.knownHosts = filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{f.addr.String()}, signer.PublicKey()) + "\n"
	need.Done(t, os.WriteFile(f.knownHosts, []byte(line), 0o600))
	config := &ssh.ServerConfig{ServerVersion: f.banner}
	if f.password != "" {
		config.PasswordCallback = func(c ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			return nil, accept(c.User() == fakeUser && string(p) == f.password)
		}
	}
	if f.answer != "" {
		config.KeyboardInteractiveCallback = func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			if f.secondFactor {
				_, err := ask("", "", []string{"Your name: "}, []bool{true})
				return nil, accept(err == nil)
			}
			got, err := ask("", "", []string{"Password: "}, []bool{false})
			return nil, accept(err == nil && c.User() == fakeUser && len(got) == 1 && got[0] == f.answer)
		}
	}
	if f.authority != nil {
		cert := certify(t, f.authority, signer, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"127.0.0.1"} })
		if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
			t.Fatal(err)
		}
	}
	config.AddHostKey(signer)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.serve(conn, config) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return f
}

func accept(ok bool) error {
	if !ok {
		return errors.New("refused")
	}
	return nil
}

func (f *fakeServer) serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go func() {
		for r := range requests {
			if f.hangUp {
				_ = conn.Close()
			}
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}()
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem" && !f.noSubsystem, nil)
			}
		}()
		if f.short > 0 {
			_ = sftpshort.Serve(channel, f.short, sftpshort.ServerPath, "-d", f.dir)
			_ = channel.Close()
			continue
		}
		h := f.files
		server := pkgsftp.NewRequestServer(channel, pkgsftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h},
			pkgsftp.WithStartDirectory(f.dir))
		_ = server.Serve()
		_ = channel.Close()
	}
}

func (f *fakeServer) config() Config {
	return Config{
		Host: "127.0.0.1", Port: f.addr.Port, Username: fakeUser, Password: fakePassword, KnownHosts: f.knownHosts,
		Directory: f.dir, ConnectTimeout: 10 * time.Second, FileMode: "0600", Connections: 2, StallTimeout: time.Minute,
	}
}

// diskFiles serves the real file system, with faults.
type diskFiles struct {
	writeErr            error            // of every write
	vfs                 *pkgsftp.StatVFS // nil: statvfs is refused
	flip                bool             // the first byte of what is read is wrong
	quirks              string           // names, as in [diskFiles.has]
	hangRead, hangWrite chan struct{}    // reads and writes behind the first part of a file wait for it
	signs               atomic.Int32     // how often a sign of life was asked for
	renames             atomic.Int32     // how often a rename was asked for
}

// RealPath implements [pkgsftp.RealPathFileLister].
func (d *diskFiles) RealPath(p string) (string, error) {
	d.signs.Add(1)
	return path.Clean(p), nil
}

// hangFrom is where the first part of a file ends.
const hangFrom = 20_000

// has reports whether the server has a quirk.
func (d *diskFiles) has(quirk string) bool {
	return slices.Contains(strings.Fields(d.quirks), quirk)
}

func (d *diskFiles) Fileread(r *pkgsftp.Request) (io.ReaderAt, error) {
	if d.has("writeonly") {
		return nil, pkgsftp.ErrSSHFxPermissionDenied
	}
	f, err := os.Open(r.Filepath)
	if err != nil {
		return nil, err
	}
	if d.has("readonce") {
		return vanishing{f}, nil
	}
	if d.flip {
		return flipped{f}, nil
	}
	return hangingReader{f, d.hangRead}, nil
}

// vanishing is a file that is taken away when it is closed.
type vanishing struct{ *os.File }

func (v vanishing) Close() error { return errors.Join(v.File.Close(), os.Remove(v.Name())) }

type hangingReader struct {
	*os.File
	hang chan struct{}
}

func (f hangingReader) ReadAt(p []byte, off int64) (int, error) {
	if f.hang != nil && off+int64(len(p)) > hangFrom {
		<-f.hang
	}
	return f.File.ReadAt(p, off)
}

type flipped struct{ *os.File }

func (f flipped) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if off == 0 && n > 0 {
		p[0] ^= 1
	}
	return n, err
}

func (d *diskFiles) Filewrite(r *pkgsftp.Request) (io.WriterAt, error) {
	flags, p := os.O_WRONLY, r.Pflags()
	if p.Creat {
		flags |= os.O_CREATE
	}
	if p.Trunc {
		flags |= os.O_TRUNC
	}
	if p.Excl {
		switch {
		case d.has("exclunknown"):
			return nil, pkgsftp.ErrSSHFxOpUnsupported
		case d.has("exclonlywithtrunc") && !p.Trunc: // npm's ssh2 knows no such flags
			return nil, pkgsftp.ErrSSHFxNoSuchFile
		case !d.has("exclignored"):
			flags |= os.O_EXCL
		}
	}
	if d.has("readonly") || d.has("nodot") && strings.HasPrefix(path.Base(r.Filepath), ".") {
		return nil, pkgsftp.ErrSSHFxPermissionDenied
	}
	mode := os.FileMode(0o600)
	if d.has("open") {
		mode = 0o644
	}
	f, err := os.OpenFile(r.Filepath, flags, mode)
	if err != nil {
		return nil, err
	}
	if d.has("vanish") {
		return vanishing{f}, nil
	}
	return &faultyWriter{f, d.writeErr, d.hangWrite}, nil
}

type faultyWriter struct {
	*os.File
	err  error
	hang chan struct{}
}

func (w *faultyWriter) WriteAt(p []byte, off int64) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.hang != nil && off+int64(len(p)) > hangFrom {
		<-w.hang
	}
	return w.File.WriteAt(p, off)
}

func (d *diskFiles) Filecmd(r *pkgsftp.Request) error {
	switch r.Method {
	case "Setstat":
		switch {
		case d.has("setstatrefused"):
			return pkgsftp.ErrSSHFxPermissionDenied
		case d.has("setstatunknown"):
			return pkgsftp.ErrSSHFxOpUnsupported
		}
		return nil // and does nothing
	case "Rename":
		switch {
		case d.has("norename"):
			return pkgsftp.ErrSSHFxOpUnsupported
		case d.has("renamerefused"):
			return pkgsftp.ErrSSHFxPermissionDenied
		case d.renames.Add(1) == 2 && d.has("secondrenamefails"):
			return pkgsftp.ErrSSHFxFailure
		}
		if _, err := os.Lstat(r.Target); err == nil && !d.has("renamereplaces") {
			return pkgsftp.ErrSSHFxFailure
		}
		return os.Rename(r.Filepath, r.Target)
	case "Mkdir":
		if d.has("nomkdir") {
			return pkgsftp.ErrSSHFxPermissionDenied
		}
		return os.Mkdir(r.Filepath, 0o755)
	case "Remove", "Rmdir":
		if d.has("noremove") {
			return pkgsftp.ErrSSHFxPermissionDenied
		}
		return os.Remove(r.Filepath)
	}
	return pkgsftp.ErrSSHFxOpUnsupported
}

// PosixRename implements [pkgsftp.PosixRenameFileCmder].
func (d *diskFiles) PosixRename(r *pkgsftp.Request) error {
	if d.has("noposixrename") {
		return pkgsftp.ErrSSHFxOpUnsupported
	}
	return os.Rename(r.Filepath, r.Target)
}

func (d *diskFiles) StatVFS(*pkgsftp.Request) (*pkgsftp.StatVFS, error) {
	if d.vfs == nil {
		return nil, pkgsftp.ErrSSHFxOpUnsupported
	}
	v := *d.vfs
	return &v, nil
}

func (d *diskFiles) Filelist(r *pkgsftp.Request) (pkgsftp.ListerAt, error) {
	if r.Method == "List" {
		if d.has("nolist") {
			return nil, pkgsftp.ErrSSHFxPermissionDenied
		}
		entries, err := os.ReadDir(r.Filepath)
		if err != nil {
			return nil, err
		}
		var out infos
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				out = append(out, info)
			}
		}
		return out, nil
	}
	info, err := os.Stat(r.Filepath)
	if errors.Is(err, os.ErrNotExist) && d.has("missingisfailure") {
		return nil, pkgsftp.ErrSSHFxFailure
	}
	if err != nil {
		return nil, err
	}
	if d.has("sizezero") && !info.IsDir() {
		return infos{zero{info}}, nil
	}
	return infos{info}, nil
}

// zero is a file whose size the server does not know.
type zero struct{ os.FileInfo }

func (zero) Size() int64 { return 0 }

// Lstat implements [pkgsftp.LstatFileLister].
func (d *diskFiles) Lstat(r *pkgsftp.Request) (pkgsftp.ListerAt, error) {
	if d.has("nolstat") {
		return nil, pkgsftp.ErrSSHFxOpUnsupported
	}
	return d.Filelist(r)
}

type infos []os.FileInfo

func (l infos) ListAt(out []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(out, l[off:])
	if n < len(out) {
		return n, io.EOF
	}
	return n, nil
}
