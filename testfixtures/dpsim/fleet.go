package dpsim

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
	"github.com/dprun/dprun/testfixtures/dpsim/fabricate"
	"github.com/dprun/dprun/testfixtures/dpsim/simclock"
	"github.com/dprun/dprun/testfixtures/dpsim/soma"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// Fleet is a running fleet of gateways with its control server.
type Fleet struct {
	ctx     context.Context
	cancel  context.CancelFunc
	clock   *simclock.Clock
	spool   *spool.Spool
	members []*member
	control *http.Server
	ready   Ready
	tempDir string
	closed  chan struct{}
}

type member struct {
	app      *appliance.Appliance
	server   *soma.Server
	identity *identity
}

// Ready is what the ready file says: where everything is.
type Ready struct {
	Control string        `json:"control"`
	Devices []ReadyDevice `json:"devices"`
}

// ReadyDevice tells how to reach a device. Domains includes default.
type ReadyDevice struct {
	Name        string   `json:"name"`
	Host        string   `json:"host"`
	Port        int      `json:"port"`
	Username    string   `json:"username"`
	Password    string   `json:"password"`
	CAFile      string   `json:"ca_file"`
	Fingerprint string   `json:"fingerprint"` // SHA-256 of the certificate
	Serial      string   `json:"serial"`
	Domains     []string `json:"domains"`
}

// Start starts the fleet. It runs until Close is called or ctx ends.
func Start(ctx context.Context, s Scenario) (*Fleet, error) {
	devices, err := s.expand()
	if err != nil {
		return nil, err
	}
	f := &Fleet{clock: simclock.New(), spool: spool.New(s.SpoolDir), closed: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(ctx)
	if err := f.start(s, devices); err != nil {
		f.shutDown()
		return nil, err
	}
	go func() {
		<-f.ctx.Done()
		f.shutDown()
		close(f.closed)
	}()
	return f, nil
}

// Close ends all listeners and connections and removes what was made.
func (f *Fleet) Close() {
	f.cancel()
	<-f.closed
}

func (f *Fleet) start(s Scenario, devices []Device) error {
	f.clock.Freeze(s.Frozen)
	if s.Start != "" {
		at, err := time.Parse(time.RFC3339, s.Start)
		if err != nil {
			return fmt.Errorf("start: %w", err)
		}
		f.clock.Set(at)
	}
	dir := s.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "dpsim-"); err != nil {
			return fmt.Errorf("make a directory for certificates: %w", err)
		}
		f.tempDir = dir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the directory for certificates: %w", err)
	}
	shared := appliance.Shared{Clock: f.clock, Factory: fabricate.Shared(), Spool: f.spool, Groups: appliance.NewGroups()}
	for i, d := range devices {
		if d.Address == "" {
			d.Address = documentationAddress(i)
		}
		if err := f.add(d, shared, dir); err != nil {
			return err
		}
	}
	for _, fault := range s.Faults {
		if err := f.AddFault(fault); err != nil {
			return err
		}
	}
	return f.serveControl()
}

func (f *Fleet) add(d Device, shared appliance.Shared, dir string) error {
	app, err := appliance.New(d, shared)
	if err != nil {
		return err
	}
	id, err := newIdentity(d.Name)
	if err != nil {
		return err
	}
	if err := id.show(d.TLS); err != nil {
		return fmt.Errorf("device %q: %w", d.Name, err)
	}
	server, err := soma.Serve(app, id.config())
	if err != nil {
		return err
	}
	f.members = append(f.members, &member{app, server, id})
	if d.Down {
		app.SetUp(false)
	}
	ca, err := id.publish(dir)
	if err != nil {
		return err
	}
	user, password := app.Credentials()
	row := ReadyDevice{Name: d.Name, Host: "127.0.0.1", Port: server.Port(), Username: user, Password: password, CAFile: ca, Fingerprint: id.fingerprint(), Serial: app.Serial()}
	for _, domain := range app.Domains() {
		row.Domains = append(row.Domains, domain.Name)
	}
	f.ready.Devices = append(f.ready.Devices, row)
	return nil
}

// documentationAddress is one of the addresses that documentation may use,
// another one for each of the first 700 gateways.
func documentationAddress(i int) string {
	nets := []string{"192.0.2", "198.51.100", "203.0.113"}
	return fmt.Sprintf("%s.%d", nets[i/240%len(nets)], 10+i%240)
}

func (f *Fleet) shutDown() {
	f.cancel()
	if f.control != nil {
		f.control.Close()
	}
	for _, m := range f.members {
		m.app.SetUp(false) // ends what is under way
		m.server.Close()
	}
	f.spool.Close()
	if f.tempDir != "" {
		os.RemoveAll(f.tempDir)
	}
}

// Ready tells where everything is.
func (f *Fleet) Ready() Ready { return f.ready }

// Control is the control server's URL.
func (f *Fleet) Control() string { return f.ready.Control }

// Clock is the fleet's time.
func (f *Fleet) Clock() *simclock.Clock { return f.clock }

// Device tells how to reach a device; the zero value if there is none.
func (f *Fleet) Device(name string) ReadyDevice {
	for _, d := range f.ready.Devices {
		if d.Name == name {
			return d
		}
	}
	return ReadyDevice{}
}

// AddFault sets a fault on every device that its Device pattern matches.
func (f *Fleet) AddFault(fault Fault) error {
	return f.each(fault.Device, func(m *member) error { return m.app.AddFault(fault) })
}

// ClearFaults removes the faults that the pattern describes.
func (f *Fleet) ClearFaults(pattern Fault) error {
	return f.each(pattern.Device, func(m *member) error {
		m.app.ClearFaults(pattern)
		return nil
	})
}

// Edit changes every device that the edit's Device pattern matches.
func (f *Fleet) Edit(e Edit) error {
	return f.each(e.Device, func(m *member) error {
		if e.TLS != "" {
			if err := m.identity.show(e.TLS); err != nil {
				return err
			}
		}
		return m.app.Apply(f.ctx, e)
	})
}

func (f *Fleet) each(pattern string, do func(*member) error) error {
	found := false
	for _, m := range f.members {
		if pattern != "" {
			ok, err := path.Match(pattern, m.app.Name())
			if err != nil {
				return fmt.Errorf("device pattern %q: %w", pattern, err)
			}
			if !ok {
				continue
			}
		}
		found = true
		if err := do(m); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("no device matches %q", pattern)
	}
	return nil
}

// State is a snapshot of the fleet.
type State struct {
	Now     time.Time     `json:"now"`
	Frozen  bool          `json:"frozen"`
	Devices []DeviceState `json:"devices"`
}

// State takes a snapshot.
func (f *Fleet) State() State {
	s := State{Now: f.clock.Now(), Frozen: f.clock.Frozen()}
	for _, m := range f.members {
		s.Devices = append(s.Devices, m.app.State())
	}
	return s
}

// Device is a device's part of the snapshot; the zero value if there is none.
func (s State) Device(name string) DeviceState {
	for _, d := range s.Devices {
		if d.Name == name {
			return d
		}
	}
	return DeviceState{}
}

// Requests is every device's request log, device by device.
func (f *Fleet) Requests() []Request {
	var out []Request
	for _, m := range f.members {
		out = append(out, m.app.Requests()...)
	}
	return out
}

// Warm makes every domain's archives now, so that the first request of each
// is as fast as the next ones.
func (f *Fleet) Warm(ctx context.Context) error {
	for _, m := range f.members {
		for _, d := range m.app.Domains() {
			for _, persisted := range []bool{true, false} {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := m.app.Warm(d.Name, persisted); err != nil {
					return fmt.Errorf("make the archive of domain %q of device %q: %w", d.Name, m.app.Name(), err)
				}
			}
		}
	}
	return nil
}
