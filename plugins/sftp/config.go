package sftp

import (
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk/schema"
)

const (
	// portablePacket is the size that every server must accept.
	portablePacket = 32768
	// maxWindowPacket is the limit of OpenSSH and of the SSH library.
	maxWindowPacket = 261120
	// bytesInFlight bounds the bytes under way for one file. It is enough for a
	// gigabit line with a round trip of 30 ms.
	bytesInFlight = 4 << 20
	maxInFlight   = 64 // as many as OpenSSH's own client uses, so every server has seen that many
)

// Config is the `config` block of a destination "sftp".
type Config struct {
	Host           string        `dprun:"host,required" doc:"Name or address of the server."`
	Port           int           `dprun:"port" format:"port" default:"22" doc:"Port of the server."`
	Username       string        `dprun:"username,required" doc:"User to log in as."`
	PrivateKey     string        `dprun:"private_key,sensitive" doc:"Private key in PEM form: its content, for example from secret_file. Exactly one of private_key, password and agent is set."`
	Passphrase     string        `dprun:"passphrase,sensitive" doc:"Passphrase of private_key."`
	Certificate    string        `dprun:"certificate" doc:"User certificate for private_key: the content of its -cert.pub file. For servers that trust an authority in place of single keys."`
	Password       string        `dprun:"password,sensitive" doc:"Password to log in with."`
	Agent          *bool         `dprun:"agent" doc:"true: log in with the keys of the SSH agent at SSH_AUTH_SOCK."`
	KnownHosts     string        `dprun:"known_hosts,required" format:"file" doc:"File in OpenSSH's known_hosts form that holds the server's key. It is read as OpenSSH reads it, @cert-authority lines too. A server that is not in it is refused."`
	Directory      string        `dprun:"directory,required" doc:"Directory on the server below which files are stored, absolute or relative to where the login starts. It must be there; directories below it are made."`
	ConnectTimeout time.Duration `dprun:"connect_timeout" default:"15s" min:"1s" max:"10m" doc:"Limit for connecting and logging in."`
	FileMode       string        `dprun:"file_mode" default:"0600" doc:"Mode of the stored files, octal. Directories that are made can be entered by those who may read."`
	RequireMode    bool          `dprun:"require_mode" default:"false" doc:"Whether a server that does not keep file_mode is a failure. false: a warning."`
	Connections    int           `dprun:"connections" default:"8" min:"1" max:"64" doc:"Most connections at a time. Files beyond that wait for one."`
	PacketSize     int           `dprun:"packet_size" default:"0" min:"0" max:"261120" doc:"Advanced: bytes of a read or write request. 0: what the server says that it takes, else 32768."`
	Concurrency    int           `dprun:"concurrency" default:"0" min:"0" max:"256" doc:"Advanced: requests in flight for one file. 0: as many as make 4 MiB, at most 64."`
	StallTimeout   time.Duration `dprun:"stall_timeout" default:"60s" min:"1s" max:"30m" doc:"How long the server may leave a request unanswered. Flushing and closing a file may take ten times as long."`
}

// SchemaConstraints says which arguments exclude each other.
func (Config) SchemaConstraints() schema.Constraints {
	return schema.Constraints{ExactlyOne: [][]string{{"private_key", "password", "agent"}}}
}

func (c Config) addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// location returns a place on the server as a person would write it.
func (c Config) location(dir string) string {
	host := c.Host
	if c.Port != 22 {
		host = c.addr()
	} else if strings.Contains(host, ":") { // an IPv6 address
		host = "[" + host + "]"
	}
	if !path.IsAbs(dir) {
		dir = "/~/" + dir
	}
	return "sftp://" + host + dir
}

// window returns the size of one request, and how many may be under way for one file.
func (c Config) window(l limits) (packet, inFlight int) {
	packet = c.PacketSize
	if packet == 0 {
		packet = portablePacket
		if l.read > 0 && l.write > 0 {
			packet = int(min(l.read, l.write, maxWindowPacket))
		}
	}
	inFlight = c.Concurrency
	if inFlight == 0 {
		inFlight = min(max(bytesInFlight/packet, 1), maxInFlight)
	}
	return packet, inFlight
}
