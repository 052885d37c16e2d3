package datapower

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// The activities.
const (
	activityExport       = "export_domain"
	activityAllDomains   = "export_all_domains"
	activitySecureBackup = "secure_backup"
)

// Plugin returns the bundled plugin.
func Plugin() sdk.Plugin {
	memo := archive.NewMemo() // the gateways of a fleet share much of what they export
	return sdk.Plugin{
		Name:    "datapower",
		Version: "1.0.0",
		Doc:     "Exports and backs up IBM DataPower gateways over their XML management interface.",
		Sources: []sdk.SourceType{
			sdk.NewSource(schema.SourceType{
				Name:     "datapower",
				Doc:      "An IBM DataPower gateway: appliance, virtual machine or container.",
				Endpoint: []string{"host", "port"},
			}, func(_ context.Context, c Config, env sdk.Env) (*source, error) { return configure(c, env, memo) }, validateConfig,
				sdk.NewActivity[exportConfig](schema.Activity{
					Name: activityExport, Doc: "Exports one domain: all of its configuration and files.",
					Scope: schema.ScopeDomain, Quiesce: []string{"domain"},
				}, nil),
				sdk.NewActivity[allDomainsConfig](schema.Activity{
					Name: activityAllDomains, Doc: "Backs up all domains of a gateway into one archive.",
					Scope: schema.ScopeDevice, Quiesce: []string{"device"}, Exclusive: true,
				}, nil),
				sdk.NewActivity(schema.Activity{
					Name: activitySecureBackup, Doc: "Makes a secure backup of a gateway: everything on it, encrypted, for restoring it or one like it.",
					Scope: schema.ScopeDevice, Quiesce: []string{"device"}, Exclusive: true,
				}, validateSecureBackup),
			),
		},
	}
}

// source is one configured gateway.
type source struct {
	name   string // the gateway's name in errors: host and port
	tls    TLSConfig
	client *soma.Client
	users  users
	pinned sdk.Facts // Serial and DeviceName, if the plan pins them
	temp   string
	memo   *archive.Memo
	serial atomic.Pointer[string] // of the gateway; nil: not read yet
	log    *slog.Logger
	pause  func(ctx context.Context, d time.Duration) error // waits; an error ends the operation
}

func configure(c Config, env sdk.Env, memo *archive.Memo) (*source, error) {
	conf, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	client, err := soma.New(conf)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "%s was not contacted: %w", c.address(), err).
			WithRemedy("check the device's configuration in the plan")
	}
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	c.TLS = cmp.Or(c.TLS, &TLSConfig{})
	return &source{
		name: c.address(), tls: *c.TLS, client: client, users: users{own: c.Username, policy: c.ActiveUsers, ignore: c.IgnoreUsers},
		pinned: sdk.Facts{Serial: c.Serial, DeviceName: c.DeviceName}, temp: env.TempDir, memo: memo, log: log, pause: pause,
	}, nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the connections to the gateway.
func (s *source) Close() error {
	s.client.Close()
	return nil
}
