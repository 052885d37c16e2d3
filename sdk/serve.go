package sdk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/dprun/dprun/sdk/internal/offspring"
	"github.com/dprun/dprun/sdk/internal/wire"
)

// These limits say how long calls in flight may take to undo what they began:
// when the host shuts the plugin down in order, and when the host is gone.
const (
	shutdownGrace = 1500 * time.Millisecond
	orphanGrace   = 5 * time.Second
)

// Serve is all that a plugin's main has to call. It serves p until the host
// shuts it down or is gone, and exits. If a person starts the program, it says
// what it is; with the single argument "describe" it prints the plugin's schema
// as JSON.
//
// Standard output belongs to the protocol: Serve moves it to standard error,
// which the host logs.
func Serve(p Plugin) {
	os.Exit(serve(p, os.Args[1:]))
}

func serve(p Plugin, args []string) int {
	handshake := wire.Handshake()
	hosted := os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue
	env := Env{Log: newLog(os.Stderr, os.Getenv(wire.EnvLogLevel)), TempDir: os.Getenv(wire.EnvDir)}
	env.TempDir = cmp.Or(env.TempDir, os.TempDir())
	s, err := NewServer(p, env)
	if err != nil {
		fmt.Fprintf(os.Stderr, "this plugin cannot be served: %v\n", err)
		return 70
	}
	if !hosted {
		return byHand(p, args, os.Stdout, os.Stderr)
	}

	stdout, stderr, err := moveStdout()
	if err != nil {
		fmt.Fprintf(os.Stderr, "plugin %s: move standard output away: %v\n", p.Name, err)
		return 70
	}
	provide, named, err := identify(os.Getenv(wire.EnvHost), stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "plugin %s: prove itself to its host: %v\n", p.Name, err)
		return 70
	}
	s.first = sync.OnceFunc(func() {
		// go-plugin has replaced both with pipes of its own, whose content is
		// lost when the process crashes.
		os.Stdout, os.Stderr = stderr, stderr
	})
	os.Stdout = named // for the handshake line
	watchHost(s)

	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  handshake,
		TLSProvider:      provide,
		VersionedPlugins: wire.Versions(&wire.Glue{Serve: s.Register}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, s.Options()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: stderr, JSONFormat: true}),
	})
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	s.Close(ctx)
	return 0
}

func byHand(p Plugin, args []string, stdout, stderr io.Writer) int {
	if slices.Equal(args, []string{"describe"}) {
		raw, err := json.MarshalIndent(p.Schema(), "", "  ")
		if err != nil {
			fmt.Fprintf(stderr, "describe: %v\n", err)
			return 70
		}
		fmt.Fprintf(stdout, "%s\n", raw)
		return 0
	}
	fmt.Fprintf(stderr, "This is the dprun plugin %q, version %s. dprun starts it; by hand it only answers to \"describe\".\n", p.Name, p.Version)
	return 64
}

// watchHost ends the process when the host is gone. The host holds the other
// end of a pipe, and the kernel closes it however the host dies. A plugin that
// is watched like this ignores the signals that stop a whole session or
// service: the host decides when it no longer needs the plugin.
func watchHost(s *Server) {
	fd, err := strconv.Atoi(os.Getenv(wire.EnvOrphan))
	if err != nil || fd < 3 {
		return
	}
	// The children of this process must not inherit the pipe, nor the host's
	// locks, whose descriptors come before it.
	for i := 3; i <= fd; i++ {
		syscall.CloseOnExec(i)
	}
	// signal.Ignore would not do: children would inherit it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	pipe := os.NewFile(uintptr(fd), "orphan pipe")
	go func() {
		for {
			if _, err := pipe.Read(make([]byte, 1)); err != nil {
				break
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), orphanGrace)
		defer cancel()
		s.Close(ctx)
		if dir := os.Getenv(wire.EnvDir); dir != "" {
			offspring.End(filepath.Dir(dir))
		}
		os.Exit(1)
	}()
}

// maxLogText bounds one value in a log line, in bytes.
const maxLogText = 16 << 10

// newLog returns a logger that writes lines in the form that go-plugin hosts
// understand.
func newLog(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindString && len(a.Value.String()) > maxLogText {
			a.Value = slog.StringValue(a.Value.String()[:maxLogText] + "…")
		}
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			return slog.String("@timestamp", a.Value.Time().Format("2006-01-02T15:04:05.000000Z07:00"))
		case slog.LevelKey:
			name := "info"
			switch l, _ := a.Value.Any().(slog.Level); {
			case l < slog.LevelDebug:
				name = "trace"
			case l < slog.LevelInfo:
				name = "debug"
			case l >= slog.LevelError:
				name = "error"
			case l >= slog.LevelWarn:
				name = "warn"
			}
			return slog.String("@level", name)
		case slog.MessageKey:
			a.Key = "@message"
		}
		return a
	}}))
}
