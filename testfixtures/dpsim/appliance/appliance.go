package appliance

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/fabricate"
	"github.com/dprun/dprun/testfixtures/dpsim/simclock"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// Shared is what the gateways of a fleet have in common.
type Shared struct {
	Clock   *simclock.Clock
	Factory *fabricate.Factory
	Spool   *spool.Spool
	Groups  *Groups
}

// Appliance is one gateway. It is safe for concurrent use.
type Appliance struct {
	Shared
	name     string
	system   string // what it calls itself
	username string
	password string
	profile  Profile
	platform string
	serial   string
	address  string
	zone     *time.Location
	padded   bool
	spec     Spec
	times    timings
	space    space

	exportSize int64          // of a domain that says nothing else
	sizes      sync.Map       // of the archives, by domain
	access     []accessPolicy // nil: the account may do everything
	ahead      time.Duration

	mu          sync.Mutex
	domains     []*domain
	certs       []CertificateSpec
	backupMode  string
	faults      []*Fault
	files       map[string]map[string]*File // by domain, by normalised path
	dirs        map[string]map[string]bool
	archives    map[archiveKey]*archive
	served      map[servedKey]Served
	operations  map[string]int
	total       int
	failed      int
	inFlight    int
	maxInFlight int
	crossed     int
	imports     int64
	setOff      []string // by imports
	leaving     bool     // a domain is being deleted
	log         []Request
	up          bool
	booted      time.Time
	started     time.Time       // files that were there from the start are of then
	session     context.Context // ends when the gateway goes down
	endSession  context.CancelFunc
	onPower     func(up bool)
	securing    bool
	backingUp   bool
}

type timings struct {
	quiesce, unquiesce, export, secureBackup, manifestDelay, boot, checkpoint time.Duration
}

type space struct {
	totalTemporary, freeTemporary int64
	totalInternal, freeInternal   int64
	totalEncrypted, freeEncrypted int64
}

// New builds the gateway a spec describes, in working order.
func New(spec Spec, shared Shared) (*Appliance, error) {
	a := &Appliance{
		Shared:     shared,
		name:       spec.Name,
		system:     cmp.Or(spec.SystemName, spec.Name),
		address:    cmp.Or(spec.Address, "192.0.2.10"),
		username:   spec.Username,
		password:   spec.Password,
		spec:       spec,
		certs:      append([]CertificateSpec(nil), spec.Certificates...),
		files:      map[string]map[string]*File{},
		dirs:       map[string]map[string]bool{},
		archives:   map[archiveKey]*archive{},
		served:     map[servedKey]Served{},
		operations: map[string]int{},
		onPower:    func(bool) {},
		up:         true,
		booted:     shared.Clock.Now().Add(-62*time.Hour - 27*time.Minute - 38*time.Second),
		started:    shared.Clock.Now().Add(-62*time.Hour - 27*time.Minute - 38*time.Second),
	}
	if err := a.configure(spec); err != nil {
		return nil, fmt.Errorf("device %q: %w", spec.Name, err)
	}
	a.session, a.endSession = context.WithCancel(context.Background())
	a.joinGroups()
	return a, nil
}

func (a *Appliance) configure(spec Spec) error {
	var err error
	if a.profile, err = profileFor(spec.Firmware); err != nil {
		return err
	}
	if a.username == "" {
		a.username = "admin"
	}
	if a.password == "" {
		a.password = "dpsim-" + spec.Name
	}
	a.padded = a.profile.PaddedOK || spec.LegacyWhitespace
	var p parser
	a.platform = p.choice("platform", spec.Platform, "hardware", "virtual", "software")
	a.backupMode = p.choice("backup_mode", spec.BackupMode, "secure", "normal")
	a.serial = spec.Serial
	if a.serial == "" {
		a.serial = map[string]string{"hardware": serialOf(spec.Name), "virtual": "0000000", "software": "0000001"}[a.platform]
	}
	zone := spec.Timezone
	if zone == "" {
		zone = "-05:00"
	}
	at, err := time.Parse("-07:00", zone)
	if err != nil {
		return fmt.Errorf("timezone: %q is not an offset such as -05:00", zone)
	}
	_, seconds := at.Zone()
	a.zone = time.FixedZone("", seconds)
	a.ahead = p.duration("clock_ahead", spec.ClockAhead, 0)
	if a.access, err = accessPolicies(spec.Access); err != nil {
		return err
	}
	for _, c := range a.certs {
		p.choice("certificate "+c.Name+": key", c.Key, "rsa", "ecdsa")
		p.duration("certificate "+c.Name+": left", c.Left, 0)
	}
	a.parseTimings(&p)
	a.parseSpace(&p)
	if p.err != nil {
		return p.err
	}
	for i := range spec.Faults {
		f := spec.Faults[i]
		if err := a.AddFault(f); err != nil {
			return err
		}
	}
	return a.makeDomains(spec)
}

func (a *Appliance) parseTimings(p *parser) {
	var t Timings
	if a.spec.Timings != nil {
		t = *a.spec.Timings
	}
	a.times = timings{
		quiesce:       p.duration("timings.quiesce", t.Quiesce, 3*time.Second),
		unquiesce:     p.duration("timings.unquiesce", t.Unquiesce, 2*time.Second),
		export:        p.duration("timings.export", t.Export, 0),
		secureBackup:  p.duration("timings.secure_backup", t.SecureBackup, 5*time.Second),
		manifestDelay: p.duration("timings.manifest_delay", t.ManifestDelay, 0),
		boot:          p.duration("timings.boot", t.Boot, time.Minute),
		checkpoint:    p.duration("timings.checkpoint", t.Checkpoint, 0),
	}
}

func (a *Appliance) parseSpace(p *parser) {
	s := &a.space
	s.totalTemporary = p.size("total_temporary", a.spec.TotalTemporary, 4_000_000_000)
	s.freeTemporary = p.size("free_temporary", a.spec.FreeTemporary, s.totalTemporary/4*3)
	s.totalInternal = p.size("total_internal", a.spec.TotalInternal, 2_000_000_000)
	s.freeInternal = p.size("free_internal", a.spec.FreeInternal, s.totalInternal/4*3)
	s.totalEncrypted = p.size("total_encrypted", a.spec.TotalEncrypted, 16_000_000_000)
	s.freeEncrypted = p.size("free_encrypted", a.spec.FreeEncrypted, s.totalEncrypted/4*3)
}

func serialOf(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprintf("78%05d", h.Sum32()%100000)
}

// Name is the gateway's name.
func (a *Appliance) Name() string { return a.name }

// Credentials are the only account's user name and password.
func (a *Appliance) Credentials() (username, password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.username, a.password
}

// Profile is the gateway's firmware.
func (a *Appliance) Profile() Profile { return a.profile }

// Platform is hardware, virtual or software.
func (a *Appliance) Platform() string { return a.platform }

// Spec is what the gateway was made from.
func (a *Appliance) Spec() Spec { return a.spec }

// Serial is the gateway's serial number.
func (a *Appliance) Serial() string { return a.serial }

// Identity is the name and the serial number that the gateway gives in answer
// to an operation.
func (a *Appliance) Identity(op string) (name, serial string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.takeFault("another_device", op, "default"); f != nil {
		return "another", f.text("9999999")
	}
	return a.system, a.serial
}

// PaddedOK reports whether OK comes with blanks around it.
func (a *Appliance) PaddedOK() bool { return a.padded }

// Now is what the gateway's clock shows, in its own zone.
func (a *Appliance) Now() time.Time { return a.Clock.Now().Add(a.ahead).In(a.zone) }

// Booted is when the gateway last started.
func (a *Appliance) Booted() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.booted.In(a.zone)
}

// ProductID is the machine type and model number.
func (a *Appliance) ProductID() string {
	switch a.platform {
	case "software":
		return "software"
	case "virtual":
		return "5725"
	}
	return a.profile.Machine + "52X"
}

// exportDevice is the gateway as its exports describe it.
func (a *Appliance) exportDevice() fabricate.Device {
	return fabricate.Device{
		Name: a.system, ProductID: a.ProductID(), Product: a.profile.Product, Model: a.profile.Model, Serial: a.serial,
		Firmware: a.profile.Version, Build: a.profile.Build, BuildDate: a.profile.BuildDate, Delivery: a.profile.Delivery,
		Intrusion: a.profile.Intrusion && a.platform == "hardware", Stores: a.profile.Stores, DeflateNested: a.profile.DeflateNested, Interface: "mgt0", InterfaceIP: a.address, Zone: "EST",
	}
}
