// Command sftpshort runs [sftpshort.Serve] on its standard input and output, for the
// configuration of an sshd: sftpshort LIMIT [ARGUMENT ...]. It passes the arguments to
// sftp-server.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/dprun/dprun/testfixtures/sftpshort"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sftpshort:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: sftpshort LIMIT [ARGUMENT ...]")
	}
	limit, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil || limit == 0 {
		return fmt.Errorf("%q is not a number of bytes", args[0])
	}
	stdio := struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout}
	return sftpshort.Serve(stdio, uint32(limit), sftpshort.ServerPath, args[1:]...)
}
