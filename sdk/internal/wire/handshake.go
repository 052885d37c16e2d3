package wire

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// The environment variables that the host sets for a plugin's process beside
// go-plugin's own.
const (
	// EnvOrphan is the number of the descriptor that reads EOF when the host is gone.
	EnvOrphan = "DPRUN_ORPHAN_FD"
	// EnvDir is the plugin's private directory.
	EnvDir = "DPRUN_PLUGIN_DIR"
	// EnvLogLevel is the level from which log lines are worth sending.
	EnvLogLevel = "DPRUN_PLUGIN_LOG"
)

// MetaCall is the metadata of calls that the host can cancel in order: an
// identifier for Cancel.
const MetaCall = "dprun-call"

// Service is the prefix of every method of the protocol.
const Service = "/dprun.plugin.v1."

// Name is the one name in go-plugin's plugin set.
const Name = "dprun"

// The largest messages, in bytes. A plugin's answers are small, because
// artifacts travel by file. The host's requests may list the tasks of a whole
// fleet.
const (
	MaxReply   = 4 << 20
	MaxRequest = 64 << 20
)

// Window is how much may be under way in each direction before the other end
// has taken it, in bytes.
const Window = 1 << 20

// Versions gives what joins each version of the protocol that this side speaks
// to go-plugin: both sides take the highest that they have in common.
func Versions(g *Glue) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{1: {Name: g}}
}

// Handshake tells a plugin that it was started by dprun. Its version is for
// plugins that cannot negotiate.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  1,
		MagicCookieKey:   "DPRUN_PLUGIN",
		MagicCookieValue: "e0c2c1d7-1f0e-4f5b-9b39-6f0a4f1f6f52",
	}
}

// Glue joins the protocol to go-plugin. Exactly one field is used on each end.
type Glue struct {
	plugin.NetRPCUnsupportedPlugin
	// Serve adds the services to the plugin's server.
	Serve func(*grpc.Server)
	// Dial wraps the host's connection.
	Dial func(grpc.ClientConnInterface) any
}

// GRPCServer implements go-plugin's GRPCPlugin on the plugin's end.
func (g *Glue) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if g.Serve == nil {
		return errors.New("this end is a host")
	}
	g.Serve(s)
	return nil
}

// GRPCClient implements go-plugin's GRPCPlugin on the host's end.
func (g *Glue) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	if g.Dial == nil {
		return nil, errors.New("this end is a plugin")
	}
	return g.Dial(conn), nil
}
