package nfs

import (
	"context"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Config is the `config` block of a destination "nfs".
type Config struct {
	Server    string        `dprun:"server" doc:"Name or address of the NFS server, which is spoken to without a mount (NFS version 3 over TCP)."`
	Export    string        `dprun:"export" doc:"Path of the export on that server, as the server names it."`
	Mount     string        `dprun:"mount" format:"path" doc:"Directory on an NFS file system that is mounted already, instead of server and export. A path that is not on a live NFS mount is refused."`
	Directory string        `dprun:"directory" doc:"Directory below the export or the mount; it must exist. Default: the top."`
	NFSPort   int           `dprun:"nfs_port" format:"port" doc:"TCP port of the NFS service. Default: what the server's portmapper says, else 2049."`
	MountPort int           `dprun:"mount_port" format:"port" doc:"TCP port of the mount service. Default: what the server's portmapper says."`
	UID       *int          `dprun:"uid" min:"0" max:"4294967295" doc:"User id under which the server sees the files. Default: that of dprun's process."`
	GID       *int          `dprun:"gid" min:"0" max:"4294967295" doc:"Group id under which the server sees the files. Default: that of dprun's process."`
	WriteSize int64         `dprun:"write_size" format:"size" min:"4KiB" max:"1MiB" default:"256KiB" doc:"Bytes of one write call; the server's limit applies too."`
	FileMode  string        `dprun:"file_mode" default:"0600" doc:"Mode of the stored files, octal. Directories that are made can be entered by those who may read."`
	Require   bool          `dprun:"require_mode" default:"false" doc:"Store nothing where the server does not keep file_mode. false: it is a warning."`
	Timeout   time.Duration `dprun:"timeout" format:"duration" min:"1s" default:"60s" doc:"How long the server may take over one call before it counts as not answering."`
}

// SchemaConstraints implements the rule in the documentation of Mount.
func (Config) SchemaConstraints() schema.Constraints {
	return schema.Constraints{ExactlyOne: [][]string{{"server", "mount"}, {"export", "mount"}}}
}

// Plugin offers the destination type "nfs".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "nfs",
		Version: "1.0.0",
		Doc:     "Stores files on an NFS server, without a mount or through one that exists.",
		Destinations: []sdk.DestinationType{sdk.NewDestination(
			schema.DestinationType{
				Name: "nfs",
				Doc: "Files on an NFS server. Each is committed before it counts as stored: the server says that it is on its disk. " +
					"A server that exports with `async` says so of what is only in its memory, and nobody can tell from here; export with `sync`. " +
					"The export must allow `sec=sys` (or list no flavor, or AUTH_NULL).",
				Family: "nfs",
			},
			configure, validate,
		)},
	}
}

func configure(_ context.Context, c Config, env sdk.Env) (*destination, error) {
	return newDestination(c, env)
}

// validate checks what the schema cannot.
func validate(c Config, known func(...string) bool) []schema.Diagnostic {
	var out []schema.Diagnostic
	bad := schema.Reporter(&out)
	if c.Export != "" && known("export") && !strings.HasPrefix(c.Export, "/") {
		bad([]string{"export"}, "Export is not an absolute path", "An export is the absolute path on the server, but this is %q. `showmount -e SERVER` lists the exports.", c.Export)
	}
	if strings.ContainsAny(c.Server, "/ ") || strings.Contains(c.Server, ":/") {
		bad([]string{"server"}, "Server is not a host name or address", "%q is not a host name or address; the path belongs in `export`.", c.Server)
	}
	if known("directory") && !validDirectory(c.Directory) {
		bad([]string{"directory"}, "Unusable directory", "`directory` must be a relative path below the export or the mount, without \"..\", but this is %q.", c.Directory)
	}
	if _, ok := fileMode(c.FileMode); !ok && known("file_mode") {
		bad([]string{"file_mode"}, "Unusable file mode", "`file_mode` must be an octal mode that lets the owner read and write, such as \"0600\" or \"0640\", but this is %q.", c.FileMode)
	}
	if c.Mount == "" {
		return out
	}
	for argument, set := range map[string]bool{"uid": c.UID != nil, "gid": c.GID != nil, "nfs_port": c.NFSPort != 0, "mount_port": c.MountPort != 0} {
		if set {
			bad([]string{argument}, "Argument without effect", "`%s` is for `server` and `export`; with `mount` the operating system decides about it. Leave `%s` out.", argument, argument)
		}
	}
	return out
}

// fileMode parses the configured mode.
func fileMode(text string) (fs.FileMode, bool) {
	n, err := strconv.ParseUint(text, 8, 32)
	mode := fs.FileMode(n)
	return mode, err == nil && mode&^fs.ModePerm == 0 && mode&0o600 == 0o600
}

func validDirectory(dir string) bool {
	return dir == "" || fs.ValidPath(strings.Trim(dir, "/"))
}

// base returns the configured directory as a relative path; "" is the top.
func (c Config) base() string {
	dir := path.Clean("/" + c.Directory)
	return dir[1:]
}

func (c Config) clientOptions(uid, gid int) nfsclient.Options {
	if c.UID != nil {
		uid = *c.UID
	}
	if c.GID != nil {
		gid = *c.GID
	}
	mode, _ := fileMode(c.FileMode)
	return nfsclient.Options{
		FileMode: uint32(mode),
		Server:   c.Server, Export: c.Export, NFSPort: c.NFSPort, MountPort: c.MountPort,
		UID: uint32(uid), GID: uint32(gid), WriteSize: int(c.WriteSize), CallTimeout: c.Timeout, DialTimeout: min(c.Timeout, nfsclient.DefaultDialTimeout),
	}
}
