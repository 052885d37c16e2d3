package nfsclient

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Defaults of [Options].
const (
	DefaultWindow      = 8
	DefaultTransfer    = 256 << 10
	DefaultDialTimeout = 15 * time.Second
	DefaultCallTimeout = 60 * time.Second

	defaultNFSPort = 2049
	portmapPort    = 111
	minTransfer    = 4 << 10 // of what is wanted
	maxWindow      = 64
)

// Options say which export to use and how.
type Options struct {
	// Server is the server's host name or address.
	Server string
	// Export is the exported path as the server names it.
	Export string
	// NFSPort and MountPort are the TCP ports of the two services. Zero: ask
	// the server's portmapper; if it does not know NFS, use 2049.
	NFSPort, MountPort int
	// UID, GID and Groups are the identity under which calls are made (AUTH_SYS).
	UID, GID uint32
	Groups   []uint32
	// Machine is the client's name in the credentials; empty: the host's name.
	Machine string
	// WriteSize and ReadSize are the bytes of one call; zero: DefaultTransfer.
	// They are bounded by the server's limits and by 1 MiB.
	WriteSize, ReadSize int
	// Window is how many WRITEs or READs of one file are under way at once;
	// zero: DefaultWindow. A transfer needs WriteSize × Window bytes of memory.
	Window int
	// FileMode is the mode of new files; zero: 0640. Everybody who may read the
	// files may enter new directories.
	FileMode uint32
	// DialTimeout bounds one connection attempt. CallTimeout bounds the silence
	// of a server that owes a reply. Zero: the defaults.
	DialTimeout, CallTimeout time.Duration
}

func (o *Options) setDefaults() {
	if o.Machine == "" {
		o.Machine, _ = os.Hostname() // informational: an empty name is as good
	}
	o.FileMode = cmp.Or(o.FileMode, defaultFile)
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	o.Window = min(o.Window, maxWindow)
	if o.DialTimeout <= 0 {
		o.DialTimeout = DefaultDialTimeout
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = DefaultCallTimeout
	}
}

// transferSize returns the wanted size, bounded by our limit and the server's. The
// server's limit is respected however small it is; a limit of zero is unknown.
func transferSize(wanted int, limit uint32) int {
	n := wanted
	if n <= 0 {
		n = DefaultTransfer
	}
	n = max(min(n, maxTransfer), minTransfer)
	if limit != 0 {
		n = min(n, int(min(limit, maxTransfer)))
	}
	return n
}

// FS is a mounted export. Its methods may be called concurrently. Paths are relative
// to the export's root and separated by slashes; the empty path is the root itself.
type FS struct {
	nfs       *client
	mountd    *client
	export    string
	root      handle
	limits    Limits
	readSize  int
	writeSize int
	window    int
	fileMode  uint32
}

// Mount asks the server for the export and connects to its NFS service. The
// caller must Close the FS, or Unmount it.
func Mount(ctx context.Context, o Options) (*FS, error) {
	o.setDefaults()
	fs, err := mount(ctx, &o)
	if err != nil {
		return nil, opError("mount", o.Server+":"+o.Export, err)
	}
	return fs, nil
}

func mount(ctx context.Context, o *Options) (_ *FS, err error) {
	cred := newCredential(o.Machine, o.UID, o.GID, o.Groups)
	if err := findPorts(ctx, o, portmapPort); err != nil {
		return nil, err
	}
	f := &FS{
		export:   o.Export,
		window:   o.Window,
		fileMode: o.FileMode,
		mountd:   newClient(o.Server, o.MountPort, cred, o),
		nfs:      newClient(o.Server, o.NFSPort, cred, o),
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	if f.root, err = f.mountd.mnt(ctx, o.Export); err != nil {
		return nil, err
	}
	f.mountd.idle()
	if err := f.nfs.null(ctx); err != nil {
		return nil, err
	}
	if f.limits, err = f.nfs.fsInfo(ctx, f.root); err != nil {
		return nil, err
	}
	f.readSize = transferSize(o.ReadSize, f.limits.ReadMax)
	f.writeSize = transferSize(o.WriteSize, f.limits.WriteMax)
	return f, nil
}

// Close ends the connections; calls under way fail with ErrClosed. The server
// keeps its record of the mount, which has no effect.
func (f *FS) Close() error {
	f.nfs.close()
	f.mountd.close()
	return nil
}

// Procedures and sizes of the mount protocol (RFC 1813 appendix I).
const (
	procMnt    = 1
	maxFlavors = 64
)

func (c *client) mnt(ctx context.Context, export string) (root handle, err error) {
	var e encoder
	e.str(export)
	req := request{prog: progMount, vers: versMount, proc: procMnt, args: e.b, replay: true}
	err = c.roundTrip(ctx, req, func(d *decoder) error {
		if s := d.u32(); d.err == nil && s != 0 {
			return MountStatus(s)
		}
		root = d.handle()
		n := d.u32()
		if n > maxFlavors {
			return &ProtocolError{fmt.Sprintf("%d security flavors", n)}
		}
		var listed []uint32
		for range n {
			listed = append(listed, d.u32())
		}
		if d.err == nil && !allowsSys(listed) {
			return &RPCError{Reason: fmt.Sprintf("the export allows %s only, and this client has sec=sys", flavors(listed)), Auth: true}
		}
		return nil
	})
	return root, err
}

// allowsSys reports whether AUTH_SYS is worth trying. A server that lists nothing
// accepts any credential. So does one that lists AUTH_NULL, because it checks none.
func allowsSys(listed []uint32) bool {
	return len(listed) == 0 || slices.Contains(listed, authSys) || slices.Contains(listed, authNone)
}

// flavors returns the names of what an export allows, as its server's
// configuration writes them.
func flavors(listed []uint32) string {
	names := map[uint32]string{390003: "sec=krb5", 390004: "sec=krb5i", 390005: "sec=krb5p"}
	var out []string
	for _, f := range listed {
		name, ok := names[f]
		if !ok {
			name = fmt.Sprintf("flavor %d", f)
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// findPorts asks the portmapper, at port portmap, for the ports that the options leave open.
func findPorts(ctx context.Context, o *Options, portmap int) error {
	if o.NFSPort != 0 && o.MountPort != 0 {
		return nil
	}
	pm := newClient(o.Server, portmap, newCredential(o.Machine, 0, 0, nil), o)
	defer pm.close()
	if o.MountPort == 0 {
		port, err := pm.getPort(ctx, progMount, versMount)
		if err != nil {
			return fmt.Errorf("asking the portmapper for the mount service's port (mount_port is not given): %w", err)
		}
		if port == 0 {
			return &RPCError{Reason: "the portmapper knows no mount service of version 3"}
		}
		o.MountPort = port
	}
	if o.NFSPort == 0 {
		port, err := pm.getPort(ctx, progNFS, versNFS)
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err != nil || port == 0 {
			port = defaultNFSPort
		}
		o.NFSPort = port
	}
	return nil
}

const (
	procGetPort = 3
	protoTCP    = 6
)

// getPort asks for the TCP port of a program; 0: it is not registered.
func (c *client) getPort(ctx context.Context, prog, vers uint32) (port int, err error) {
	var e encoder
	e.u32(prog)
	e.u32(vers)
	e.u32(protoTCP)
	e.u32(0)
	req := request{prog: progPortmap, vers: versPortmap, proc: procGetPort, args: e.b, replay: true}
	err = c.roundTrip(ctx, req, func(d *decoder) error {
		p := d.u32()
		if p > 65535 {
			return &ProtocolError{fmt.Sprintf("port %d", p)}
		}
		port = int(p)
		return nil
	})
	return port, err
}
