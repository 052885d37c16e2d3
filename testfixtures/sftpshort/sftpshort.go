// Package sftpshort makes an SFTP server give short answers. It stands between a client
// and OpenSSH's sftp-server and lowers the length of every READ request.
//
// Many servers return less than a client asks for: OpenSSH before 8.5 returns at most
// 64 KiB, and some others 32 KiB. A client must then ask for the rest.
package sftpshort

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// ServerPath is where Debian's openssh-sftp-server puts the server.
const ServerPath = "/usr/lib/openssh/sftp-server"

const (
	typeRead = 5 // SSH_FXP_READ
	// maxFrame is what sftp-server takes at most.
	maxFrame = 256 << 10
)

// Serve runs an SFTP server for one client until either of them ends. Every
// READ is of at most limit bytes.
func Serve(client io.ReadWriter, limit uint32, server string, args ...string) error {
	cmd := exec.Command(server, args...)
	cmd.Stdout = client
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := shorten(in, client, limit)
		done <- errors.Join(err, in.Close()) // the server ends when its input does
	}()
	if err := cmd.Wait(); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	default: // the server ended by itself
		return nil
	}
}

// shorten copies a client's requests.
func shorten(to io.Writer, from io.Reader, limit uint32) error {
	frame := make([]byte, 4, 4+maxFrame)
	for {
		if _, err := io.ReadFull(from, frame[:4]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(frame[:4])
		if n == 0 || n > maxFrame {
			return fmt.Errorf("a request of %d bytes", n)
		}
		frame = frame[:4+n]
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return err
		}
		// A READ ends in its length: id, handle, offset, length.
		if asked := frame[len(frame)-4:]; frame[4] == typeRead && binary.BigEndian.Uint32(asked) > limit {
			binary.BigEndian.PutUint32(asked, limit)
		}
		if _, err := to.Write(frame); err != nil {
			return err
		}
	}
}
