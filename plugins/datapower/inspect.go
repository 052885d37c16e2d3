package datapower

import (
	"context"
	"strings"
	"sync"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// inspectParallel bounds the requests of one inspection at a time: the management plane serves others too.
const inspectParallel = 2

// defaultDomain never goes down and holds what concerns the whole gateway.
const defaultDomain = "default"

// Inspect reads facts and domains: nine requests and one for each application domain.
func (s *source) Inspect(ctx context.Context) (*sdk.Inspection, error) {
	domains, err := s.client.DomainStatus(ctx)
	if err != nil {
		return nil, s.failed(err, "inspect: read its domains")
	}
	firmware, err := s.client.Firmware(ctx)
	if err != nil {
		return nil, s.failed(err, "inspect: read its firmware")
	}
	s.serial.Store(&firmware.Serial)
	space, err := s.space(ctx)
	if err != nil {
		return nil, s.failed(err, "inspect: read its file systems")
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return nil, s.failed(err, "inspect: read its settings")
	}
	certificates, err := s.certificates(ctx, "")
	if err != nil {
		return nil, s.failed(err, "inspect: read its certificates")
	}
	role, err := s.failoverRole(ctx)
	if err != nil {
		return nil, s.failed(err, "inspect: read its part in peer and standby groups")
	}
	in := &sdk.Inspection{Facts: sdk.Facts{
		DeviceName:     settings.Value("SystemName"),
		Serial:         firmware.Serial,
		Model:          strings.TrimSpace(firmware.MachineType + firmware.ModelType),
		Firmware:       firmware.Version,
		FirmwareBuild:  firmware.Build,
		Container:      container(firmware, settings),
		BackupMode:     settings.Value("BackupMode"),
		Space:          space,
		Certificates:   certificates,
		FailoverRole:   role,
		Clock:          domains.Time,
		TLSFingerprint: s.client.Fingerprint(),
	}}
	in.Facts.Identity = identity(in.Facts)
	for _, d := range domains.Domains {
		in.Domains = append(in.Domains, sdk.Domain{
			Name: d.Name, QuiesceState: quiesceState(d), SaveNeeded: d.SaveNeeded, CurrentCommand: d.CurrentCommand,
		})
		if in.Facts.CurrentCommand == "" {
			in.Facts.CurrentCommand = d.CurrentCommand
		}
	}
	if err := s.findAPIConnect(ctx, in.Domains); err != nil {
		return nil, s.failed(err, "inspect: look for API Connect")
	}
	return in, nil
}

// identity names the box itself. Containers and virtual machines share serial numbers, so their certificate stands for them.
func identity(f sdk.Facts) string {
	if serial := strings.TrimLeft(f.Serial, "0"); !f.Container && serial != "" && serial != "1" {
		return f.Serial + "/" + f.DeviceName
	}
	return "tls:" + f.TLSFingerprint
}

// container reports whether the gateway runs as a container, which its product says.
func container(f *soma.Firmware, settings *soma.Node) bool {
	return strings.HasPrefix(strings.ToLower(settings.Value("ProductID")), "software") || strings.EqualFold(f.MachineType, "software")
}

func (s *source) space(ctx context.Context) (sdk.Space, error) {
	fs, err := s.client.FilesystemStatus(ctx)
	if err != nil {
		return sdk.Space{}, err
	}
	return sdk.Space{FreeTemporary: fs.FreeTemporary, TotalTemporary: fs.TotalTemporary, FreeInternal: fs.FreeInternal, TotalInternal: fs.TotalInternal}, nil
}

// settings reads the SystemSettings object; nil if the gateway shows none.
func (s *source) settings(ctx context.Context) (*soma.Node, error) {
	nodes, err := s.client.GetConfig(ctx, defaultDomain, "SystemSettings", "")
	if err != nil && !tolerable(err) || len(nodes) == 0 {
		return nil, untolerable(err)
	}
	return nodes[0], nil
}

func untolerable(err error) error {
	if tolerable(err) {
		return nil
	}
	return err
}

// certificates reads the certificate objects of the default domain, or the one of that name, and whether they are up.
func (s *source) certificates(ctx context.Context, name string) ([]sdk.Certificate, error) {
	nodes, err := s.client.GetConfig(ctx, defaultDomain, "CryptoCertificate", name)
	if err != nil || len(nodes) == 0 {
		return nil, untolerable(err)
	}
	objects, err := s.client.ObjectStatus(ctx, defaultDomain)
	if err != nil {
		return nil, err
	}
	up := map[string]bool{}
	for _, o := range objects {
		if o.Class == "CryptoCertificate" {
			up[o.Name] = o.Up()
		}
	}
	var out []sdk.Certificate
	for _, n := range nodes {
		out = append(out, sdk.Certificate{Name: n.Attrs["name"], Up: up[n.Attrs["name"]]})
	}
	return out, nil
}

// failoverRole reads whether the gateway is the primary of a peer group or the active member of a standby group.
func (s *source) failoverRole(ctx context.Context) (string, error) {
	peerings, err := s.client.GetConfig(ctx, defaultDomain, "GatewayPeering", "")
	if err := untolerable(err); err != nil {
		return "", err
	}
	local := map[string]string{}
	for _, n := range peerings {
		if n.Child("Peers") != nil {
			local[n.Attrs["name"]] = n.Value("LocalAddress")
		}
	}
	standby := ""
	if len(local) > 0 {
		peers, err := s.client.Peers(ctx, defaultDomain)
		if err := untolerable(err); err != nil {
			return "", err
		}
		for _, p := range peers {
			if p.Primary && local[p.Group] == p.Address {
				return "primary", nil
			}
			if local[p.Group] == p.Address {
				standby = "standby"
			}
		}
	}
	groups, err := s.client.Standbys(ctx)
	if err := untolerable(err); err != nil {
		return "", err
	}
	for _, g := range groups {
		switch strings.ToLower(g.State) {
		case "active":
			return "active", nil
		case "standby":
			standby = "standby"
		}
	}
	return standby, nil
}

// findAPIConnect marks the domains that API Connect manages: they hold its service object.
func (s *source) findAPIConnect(ctx context.Context, domains []sdk.Domain) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, inspectParallel)
	for i := range domains {
		d := &domains[i]
		if d.Name == defaultDomain {
			continue
		}
		if strings.HasPrefix(d.Name, "APIMgmt_") { // how version 5 names them
			d.APIConnect = true
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			nodes, err := s.client.GetConfig(ctx, d.Name, "APIConnectGatewayService", "")
			if err := untolerable(err); err != nil {
				cancel(err)
				return
			}
			d.APIConnect = len(nodes) > 0
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
