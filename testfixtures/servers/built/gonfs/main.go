// Command gonfs serves a directory with github.com/willscott/go-nfs:
// gonfs ADDRESS DIRECTORY.
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	nfs "github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "gonfs:", err)
		os.Exit(1)
	}
}

func run(address, directory string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	handler := helpers.NewNullAuthHandler(changing{osfs.New(directory)})
	return nfs.Serve(l, helpers.NewCachingHandler(handler, 4096))
}

// changing lets modes, owners and times be set.
type changing struct{ billy.Filesystem }

func (c changing) path(name string) string { return c.Join(c.Root(), name) }

func (c changing) Chmod(name string, mode os.FileMode) error { return os.Chmod(c.path(name), mode) }

func (c changing) Lchown(name string, uid, gid int) error { return os.Lchown(c.path(name), uid, gid) }

func (c changing) Chown(name string, uid, gid int) error { return os.Chown(c.path(name), uid, gid) }

func (c changing) Chtimes(name string, accessed, modified time.Time) error {
	return os.Chtimes(c.path(name), accessed, modified)
}
