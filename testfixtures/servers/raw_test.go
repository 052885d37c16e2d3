package servers_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers"
)

// raw speaks SFTP 3 one request at a time, so that what is seen of a server
// does not pass through the library that the plugin uses.
type raw struct {
	ssh        *ssh.Client
	in         io.WriteCloser
	out        io.Reader
	id         uint32
	extensions []string
}

// Packet types and flags of draft-ietf-secsh-filexfer-02.
const (
	sshInit, sshVersion                  = 1, 2
	sshOpen, sshClose, sshRead, sshWrite = 3, 4, 5, 6
	sshLstat, sshFstat, sshRename        = 7, 8, 18
	sshStatus, sshData                   = 101, 103
	openRead, openWrite, openCreate      = 0x01, 0x02, 0x08
	openTruncate, openExclusive          = 0x10, 0x20
	attrSize, attrIDs, attrPermissions   = 0x1, 0x2, 0x4

	statusOK = 0
)

// statusError is an answer that says no.
type statusError uint32

func (e statusError) Error() string {
	names := map[statusError]string{1: "EOF", 2: "NO_SUCH_FILE", 3: "PERMISSION_DENIED", 4: "FAILURE", 5: "BAD_MESSAGE", 8: "OP_UNSUPPORTED", 11: "FILE_ALREADY_EXISTS"}
	if n := names[e]; n != "" {
		return n
	}
	return fmt.Sprintf("status %d", uint32(e))
}

func dialRaw(t *testing.T, s *servers.Server) *raw {
	t.Helper()
	pem := need.Value(os.ReadFile(s.PrivateKey))(t)
	key := need.Value(ssh.ParsePrivateKey(pem))(t)
	line := need.Value(os.ReadFile(s.KnownHosts))(t)
	_, _, host, _, _, err := ssh.ParseKnownHosts(line)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, Timeout: time.Minute,
		HostKeyCallback: ssh.FixedHostKey(host), HostKeyAlgorithms: []string{host.Type()},
	})
	if err != nil {
		t.Fatalf("log in: %v\n%s", err, s.Log())
	}
	t.Cleanup(func() { _ = client.Close() })
	session := need.Value(client.NewSession())(t)
	r := &raw{ssh: client}
	if r.in, err = session.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if r.out, err = session.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := session.RequestSubsystem("sftp"); err != nil {
		t.Fatalf("start SFTP: %v\n%s", err, s.Log())
	}
	need.Done(t, r.send(sshInit, uint32(3)))
	kind, body, err := r.receive()
	if err != nil || kind != sshVersion || len(body) < 4 {
		t.Fatalf("the answer to INIT is of type %d with %d bytes, %v\n%s", kind, len(body), err, s.Log())
	}
	for body = body[4:]; len(body) > 0; {
		var name string
		if name, body, err = text(body); err == nil {
			_, body, err = text(body) // the extension's own data
		}
		if err != nil {
			t.Fatalf("VERSION: %v", err)
		}
		r.extensions = append(r.extensions, name)
	}
	return r
}

// send writes a packet of numbers, strings and bytes.
func (r *raw) send(kind byte, fields ...any) error {
	p := []byte{0, 0, 0, 0, kind}
	for _, f := range fields {
		switch v := f.(type) {
		case uint32:
			p = binary.BigEndian.AppendUint32(p, v)
		case uint64:
			p = binary.BigEndian.AppendUint64(p, v)
		case string:
			p = append(binary.BigEndian.AppendUint32(p, uint32(len(v))), v...)
		}
	}
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	_, err := r.in.Write(p)
	return err
}

func (r *raw) receive() (kind byte, body []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r.out, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > 1<<20 {
		return 0, nil, fmt.Errorf("a packet of %d bytes", n)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r.out, p); err != nil {
		return 0, nil, err
	}
	return p[0], p[1:], nil
}

// ask sends a request and gives its answer without the id; a STATUS other than
// OK is a [statusError]. An answer that does not come cuts the connection.
func (r *raw) ask(kind byte, fields ...any) (answer byte, body []byte, err error) {
	defer time.AfterFunc(time.Minute, func() { _ = r.ssh.Close() }).Stop()
	r.id++
	if err := r.send(kind, append([]any{r.id}, fields...)...); err != nil {
		return 0, nil, err
	}
	answer, body, err = r.receive()
	switch {
	case err != nil:
		return 0, nil, err
	case len(body) < 4 || binary.BigEndian.Uint32(body) != r.id:
		return 0, nil, errors.New("an answer to something else")
	}
	body = body[4:]
	if answer == sshStatus {
		if len(body) < 4 {
			return 0, nil, errors.New("a short STATUS")
		}
		if code := binary.BigEndian.Uint32(body); code != statusOK {
			return answer, nil, statusError(code)
		}
	}
	return answer, body, nil
}

func (r *raw) open(name string, flags uint32) (handle string, err error) {
	_, body, err := r.ask(sshOpen, name, flags, uint32(0))
	if err != nil {
		return "", err
	}
	handle, _, err = text(body)
	return handle, err
}

// attributes gives size and permissions of LSTAT's or FSTAT's answer.
func (r *raw) attributes(kind byte, of string) (size uint64, mode os.FileMode, err error) {
	_, body, err := r.ask(kind, of)
	if err != nil {
		return 0, 0, err
	}
	if len(body) < 4 {
		return 0, 0, errors.New("short ATTRS")
	}
	flags := binary.BigEndian.Uint32(body)
	body = body[4:]
	if flags&attrSize != 0 && len(body) >= 8 {
		size, body = binary.BigEndian.Uint64(body), body[8:]
	}
	if flags&attrIDs != 0 && len(body) >= 8 {
		body = body[8:]
	}
	if flags&attrPermissions == 0 || len(body) < 4 {
		return size, 0, errors.New("ATTRS without permissions")
	}
	return size, os.FileMode(binary.BigEndian.Uint32(body)).Perm(), nil
}

func text(b []byte) (string, []byte, error) {
	if len(b) < 4 || uint32(len(b)-4) < binary.BigEndian.Uint32(b) {
		return "", nil, errors.New("a short string")
	}
	n := binary.BigEndian.Uint32(b)
	return string(b[4 : 4+n]), b[4+n:], nil
}
