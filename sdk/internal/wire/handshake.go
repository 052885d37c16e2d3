package wire

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// These environment variables are set by the host for a plugin's process,
// besides go-plugin's own.
const (
	// EnvOrphan is the number of the descriptor that reads EOF when the host is gone.
	EnvOrphan = "DPRUN_ORPHAN_FD"
	// EnvDir is the plugin's private directory.
	EnvDir = "DPRUN_PLUGIN_DIR"
	// EnvLogLevel is the lowest level of log lines that are worth sending.
	EnvLogLevel = "DPRUN_PLUGIN_LOG"
)

// MetaCall is the metadata key of a call's identifier, with which the host can
// cancel the call in order.
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

// Window is how many bytes may be on their way in each direction before the
// other end has taken them.
const Window = 1 << 20

// Versions returns the glue to go-plugin for each version of the protocol that
// this side speaks. The two sides use the highest version that they have in
// common.
func Versions(g *Glue) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{1: {Name: g}}
}

// Handshake tells a plugin that dprun started it. Its version is for plugins
// that cannot negotiate.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  1,
		MagicCookieKey:   "DPRUN_PLUGIN",
		MagicCookieValue: "e0c2c1d7-1f0e-4f5b-9b39-6f0a4f1f6f52",
	}
}

// Glue joins the protocol to go-plugin. Each end sets exactly one of its
// fields.
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
