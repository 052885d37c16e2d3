package datapower

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// inspectParallel bounds the concurrent requests of one inspection, because the management plane serves
// others too.
const inspectParallel = 2

// defaultDomain never goes down. It holds what concerns the whole gateway.
const defaultDomain = "default"

// Inspect reads facts and domains: with four requests, one more for each application domain that is asked for,
// and one for each class that the gateway does not know. If the gateway answers, Inspect succeeds, whatever the
// gateway refuses to tell: such facts are unread, and the host decides whether it needs them.
func (s *source) Inspect(ctx context.Context, req sdk.InspectRequest) (*sdk.Inspection, error) {
	domains, err := s.client.DomainStatus(ctx)
	if err != nil {
		return nil, s.failed(err, "inspect: read its domains")
	}
	r := &reading{source: s, in: &sdk.Inspection{}, classes: newClasses(s.client)}
	if err := r.facts(ctx); err != nil {
		return nil, err
	}
	f := &r.in.Facts
	f.Clock, f.TLSFingerprint = domains.Time, s.client.Fingerprint()
	f.Identity = identity(*f)
	if err := s.recognise(*f); err != nil {
		return nil, err
	}
	if req.Drill {
		if err := r.drillGateway(ctx); err != nil {
			return nil, err
		}
	}
	for _, d := range domains.Domains {
		r.in.Domains = append(r.in.Domains, sdk.Domain{
			Name: d.Name, QuiesceState: quiesceState(d), SaveNeeded: d.SaveNeeded, CurrentCommand: d.CurrentCommand,
		})
		f.CurrentCommand = cmp.Or(f.CurrentCommand, d.CurrentCommand)
	}
	if err := r.findAPIConnect(ctx, req.Domains); err != nil {
		return nil, err
	}
	return r.in, nil
}

// recognise refuses a gateway that is not the pinned one, or that does not say which one
// it is.
func (s *source) recognise(f sdk.Facts) error {
	for _, pin := range []struct{ argument, want, has string }{{"serial", s.pinned.Serial, f.Serial}, {"device_name", s.pinned.DeviceName, f.DeviceName}} {
		if pin.want != "" && pin.want != pin.has {
			return failure.New(failure.Precondition, failure.OtherDevice, "inspect: the plan pins %s = %q, but the gateway at this address says %q", pin.argument, pin.want, pin.has).
				WithRemedy("find out what answers at this address; if the appliance was replaced on purpose, change %s in the plan", pin.argument)
		}
	}
	return nil
}

// reading is one inspection under way.
type reading struct {
	*source
	*classes
	in *sdk.Inspection
	mu sync.Mutex // guards in.Unread
}

// again repeats a read once if the gateway failed: an error of its own may pass.
func again[T any](read func() (T, error)) (T, error) {
	v, err := read()
	var e *soma.Error
	if errors.As(err, &e) && e.Status >= http.StatusInternalServerError {
		return read()
	}
	return v, err
}

// unread records a fact that could not be read, if the gateway answered. It returns any other error as a failure
// of the inspection, which the host then repeats.
func (r *reading) unread(err error, fact sdk.Fact, domain, what string) error {
	if err == nil {
		return nil
	}
	f := r.failed(err, "inspect: read %s", what)
	if !answered(err) {
		return f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Unread = append(r.in.Unread, sdk.Unread{Fact: fact, Domain: domain, Failure: f})
	return nil
}

func (r *reading) facts(ctx context.Context) error {
	f := &r.in.Facts
	firmware, err := again(func() (*soma.Firmware, error) { return r.client.Firmware(ctx) })
	if err := r.unread(err, sdk.FactFirmware, "", "its firmware"); err != nil {
		return err
	}
	if firmware == nil {
		firmware = &soma.Firmware{}
	}
	f.Space, err = r.space(ctx)
	if err := r.unread(err, sdk.FactSpace, "", "its file systems"); err != nil {
		return err
	}
	settings, err := r.settings(ctx)
	if err := r.unread(err, sdk.FactSettings, "", "its settings"); err != nil {
		return err
	}
	if settings != nil {
		r.works("get-config")
	}
	f.DeviceName, f.BackupMode = settings.Value("SystemName"), settings.Value("BackupMode")
	f.Serial, f.Firmware, f.FirmwareBuild = firmware.Serial, firmware.Version, firmware.Build
	f.Serial = cmp.Or(f.Serial, settings.Value("SerialNumber"))
	if f.Serial != "" {
		r.serial.Store(&f.Serial)
	}
	f.Model = strings.TrimSpace(firmware.MachineType + firmware.ModelType)
	f.Container = container(firmware, settings)
	return nil
}

// drillMarker is the name of a log category with which administrators mark a gateway for drills. The object
// itself does nothing.
const drillMarker = "dprun-drill-gateway"

// drillGateway reads whether the gateway is marked for drills.
func (r *reading) drillGateway(ctx context.Context) error {
	found, err := rowsOf(ctx, r.classes, func(ctx context.Context) ([]*soma.Node, error) {
		return r.client.GetConfig(ctx, defaultDomain, "LogLabel", drillMarker)
	})
	if err := r.unread(err, sdk.FactDrill, "", "whether it is marked for drills (log category "+drillMarker+" in default)"); err != nil {
		return err
	}
	r.in.Facts.DrillGateway = len(found) == 1 && found[0].Attrs["name"] == drillMarker
	return nil
}

// identity identifies the box itself. Containers and virtual machines share serial numbers, so their certificate
// identifies them.
func identity(f sdk.Facts) string {
	if serial := strings.TrimLeft(f.Serial, "0"); !f.Container && serial != "" && serial != "1" && f.DeviceName != "" {
		return f.Serial + "/" + f.DeviceName
	}
	return "tls:" + f.TLSFingerprint
}

// container reports whether the gateway runs as a container, according to its
// product name.
func container(f *soma.Firmware, settings *soma.Node) bool {
	return strings.HasPrefix(strings.ToLower(settings.Value("ProductID")), "software") || strings.EqualFold(f.MachineType, "software")
}

// space reads how much room the gateway has; it is unknown if it cannot be
// read.
func (s *source) space(ctx context.Context) (sdk.Space, error) {
	fs, err := again(func() (*soma.Filesystem, error) { return s.client.FilesystemStatus(ctx) })
	if err != nil {
		return sdk.Space{FreeTemporary: -1, TotalTemporary: -1, FreeInternal: -1, TotalInternal: -1}, err
	}
	return sdk.Space{FreeTemporary: fs.FreeTemporary, TotalTemporary: fs.TotalTemporary, FreeInternal: fs.FreeInternal, TotalInternal: fs.TotalInternal}, nil
}

// settings reads the SystemSettings object; nil: the gateway shows none.
func (s *source) settings(ctx context.Context) (*soma.Node, error) {
	nodes, err := again(func() ([]*soma.Node, error) { return s.client.GetConfig(ctx, defaultDomain, "SystemSettings", "") })
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	return nodes[0], nil
}

// certificate is a certificate object of the gateway.
type certificate struct {
	name string
	up   bool
}

// certificates reads the certificate objects of the default domain, and whether they are
// up.
func (s *source) certificates(ctx context.Context) ([]certificate, error) {
	nodes, err := again(func() ([]*soma.Node, error) { return s.client.GetConfig(ctx, defaultDomain, "CryptoCertificate", "") })
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	objects, err := again(func() ([]soma.Object, error) { return s.client.ObjectStatus(ctx, defaultDomain) })
	if err != nil {
		return nil, err
	}
	up := map[string]bool{}
	for _, o := range objects {
		if o.Class == "CryptoCertificate" {
			up[o.Name] = o.Up()
		}
	}
	var out []certificate
	for _, n := range nodes {
		out = append(out, certificate{n.Attrs["name"], up[n.Attrs["name"]]})
	}
	return out, nil
}

// findAPIConnect marks, among the domains that match a glob, those that API Connect
// manages.
func (r *reading) findAPIConnect(ctx context.Context, globs []string) error {
	var names []string
	at := map[string]int{}
	wanted := expression(globs)
	for i, d := range r.in.Domains {
		if wanted.MatchString(d.Name) {
			names = append(names, d.Name)
			at[d.Name] = i
		}
	}
	managed, err := overDomains(ctx, names, func(ctx context.Context, domain string) (bool, error) {
		managed, err := r.apiConnect(ctx, domain)
		return managed, r.unread(err, sdk.FactAPIConnect, domain, "whether API Connect manages domain "+domain)
	}, func(bool) bool { return false })
	if err != nil {
		return err
	}
	for i, name := range names {
		r.in.Domains[at[name]].APIConnect = managed[i]
	}
	return nil
}

// expression returns a regular expression for the globs, in which * stands for
// any text.
func expression(globs []string) *regexp.Regexp {
	forms := []string{"^$"} // matches nothing, because every domain has a name
	for _, g := range globs {
		forms = append(forms, "^(?s:"+strings.ReplaceAll(regexp.QuoteMeta(g), `\*`, ".*")+")$")
	}
	return regexp.MustCompile(strings.Join(forms, "|"))
}
