// Package syslog sends a script's context to a syslog server as RFC 5424 describes:
// one short line for a run, and one for each gateway that needs attention.
package syslog

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// The transports.
const (
	overTLS  = "tls"
	overTCP  = "tcp"
	overUDP  = "udp"
	overUnix = "unix"
)

// Config is the configuration of a script "syslog".
type Config struct {
	Transport  string `dprun:"transport" oneof:"tls|tcp|udp|unix" default:"tls" doc:"How the server is reached. tls and tcp frame each line by its length (RFC 5425, RFC 6587) and see whether the server takes it; udp sends and hopes; unix is a socket of this host."`
	Host       string `dprun:"host" doc:"Name or address of the server. Not with unix."`
	Port       int    `dprun:"port" format:"port" doc:"Its port. Default: 6514 for tls, 601 for tcp, 514 for udp."`
	Socket     string `dprun:"socket" format:"path" doc:"Path of the socket, with unix. Its server must read RFC 5424 there: journald, and rsyslog without UseSpecialParser=off, take such a line at /dev/log for one from a program called 1."`
	CAFile     string `dprun:"ca_file" format:"certificates" doc:"File of trusted roots in PEM form, with tls. Default: those of the system."`
	ServerName string `dprun:"server_name" doc:"Name that the server's certificate must have. Default: host."`
	Facility   string `dprun:"facility" oneof:"user|daemon|local0|local1|local2|local3|local4|local5|local6|local7" default:"daemon" doc:"The facility."`
	AppName    string `dprun:"app_name" default:"dprun" doc:"What the lines say that they are from."`
	Hostname   string `dprun:"hostname" doc:"Which host the lines say that they are from. Default: this one."`
	Data       string `dprun:"structured_data_id" default:"dprun@32473" doc:"Name of the element of structured data that holds run, plan, event, status and so on; - for none. 32473 is the number that is reserved for examples: put your own enterprise number in its place where your server needs one."`
}

// Plugin offers the script type "syslog".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "syslog",
		Version: "1.0.0",
		Doc:     "Sends a line to a syslog server as a script of a plan, for its notify blocks above all.",
		Hooks: []sdk.HookType{sdk.NewHook(
			schema.HookType{Name: "syslog", Doc: "A line of RFC 5424, of at most 2 KiB: crit for what needs somebody now, err for a failed run, warning for a partial or a missed one, info else."},
			configure, validate)},
	}
}

func configure(_ context.Context, c Config, _ sdk.Env) (sdk.Hook, error) {
	roots, err := sdk.Roots(c.CAFile)
	if err != nil {
		return nil, err
	}
	h := &hook{config: c, roots: roots, network: overTCP}
	switch c.Transport {
	case overUnix:
		h.address, h.network = c.Socket, "unixgram"
	case overUDP:
		h.network = overUDP
	}
	if c.Transport != overUnix {
		c.Port = cmp.Or(c.Port, map[string]int{overTLS: 6514, overTCP: 601, overUDP: 514}[c.Transport])
		h.address = net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	}
	return h, nil
}

func validate(c Config, known func(...string) bool) []schema.Diagnostic {
	var ds []schema.Diagnostic
	bad := schema.Reporter(&ds)
	if known("transport") && known("host") && known("socket") {
		switch {
		case c.Transport == overUnix && c.Host != "":
			bad([]string{"host"}, "Not of this transport", "A unix socket is on this host: leave out \"host\", or choose another transport.")
		case c.Transport == overUnix && c.Socket == "":
			bad([]string{"transport"}, "No server", "With transport = \"unix\", set \"socket\" to the path of the socket.")
		case c.Transport != overUnix && c.Host == "":
			bad([]string{"transport"}, "No server", "With transport = %q, set \"host\" to the server.", c.Transport)
		case c.Transport != overUnix && c.Socket != "":
			bad([]string{"socket"}, "Not of this transport", "Only transport = \"unix\" has a socket.")
		}
	}
	name := func(path, text string, longest int) {
		if known(path) && (len(text) > longest || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })) {
			bad([]string{path}, "Not a name of syslog", "%q is not printable ASCII without spaces, of at most %d characters.", text, longest)
		}
	}
	name("app_name", c.AppName, 48)
	name("hostname", c.Hostname, 255)
	name("structured_data_id", c.Data, 32)
	if known("structured_data_id") && strings.ContainsAny(c.Data, `="]`) {
		bad([]string{"structured_data_id"}, "Not a name of syslog", "%q holds one of the characters = ] and the quotation mark.", c.Data)
	}
	return ds
}

// facility returns the number of a facility that programs may use.
func facility(name string) int {
	if i := slices.Index([]string{"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}, name); i >= 0 {
		return 16 + i
	}
	if name == "user" {
		return 1
	}
	return 3
}
