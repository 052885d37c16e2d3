package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// warmLimit bounds the time in which the simulator makes its archives.
const warmLimit = 5 * time.Minute

// gateways is a running simulator.
type gateways struct {
	dir     string
	Devices []gateway `json:"devices"`
	server  *server
	log     *os.File
}

type gateway struct {
	Name     string   `json:"name"`
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Username string   `json:"username"`
	Password string   `json:"password"`
	CAFile   string   `json:"ca_file"`
	Domains  []string `json:"domains"`
}

// startGateways starts the simulator and waits until all archives are made, so
// that nobody pays for making them.
func (b *bench) startGateways(ctx context.Context, args ...string) (*gateways, error) {
	dir, err := b.mkdir("gateways")
	if err != nil {
		return nil, err
	}
	g := &gateways{dir: dir}
	if g.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	ready := filepath.Join(dir, "ready.json")
	args = append(args, "--warm", "--spool-dir", dir, "--ready-file", ready)
	if g.server, err = serve(g.log, b.dpsim, args...); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	if err := g.server.waitFor(limited, func() bool { _, err := os.Stat(ready); return err == nil }); err != nil {
		said, _ := os.ReadFile(g.log.Name())
		g.close()
		return nil, fmt.Errorf("start dpsim: %w: %s", err, said)
	}
	text, err := os.ReadFile(ready)
	if err == nil {
		err = json.Unmarshal(text, g)
	}
	if err == nil {
		err = errors.Join(g.writeCurlConfigs(), g.writePasswords())
	}
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// startArchive starts one gateway with one application domain, app01, whose
// archive has a size.
func (b *bench) startArchive(ctx context.Context, size string) (*gateways, error) {
	scenario := filepath.Join(b.dir, "scenario-"+size+".hcl")
	text := fmt.Sprintf("device \"gw\" {\n  export_size = \"64KB\"\n  domain \"app01\" { export_size = %q }\n}\n", size)
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return b.startGateways(ctx, "--scenario", scenario)
}

func (g *gateways) close() {
	g.server.end()
	_ = g.log.Close()
	_ = os.RemoveAll(g.dir)
}

// names lists the gateways.
func (g *gateways) names() []string {
	out := make([]string, len(g.Devices))
	for i, d := range g.Devices {
		out[i] = d.Name
	}
	return out
}

// applications lists a gateway's domains but "default".
func (g gateway) applications() []string {
	var out []string
	for _, d := range g.Domains {
		if d != "default" {
			out = append(out, d)
		}
	}
	return out
}

// curlConfig is the file from which curl reads a gateway's address and login,
// so that no password is in an argument.
func (g *gateways) curlConfig(device string) string { return filepath.Join(g.dir, device+".curl") }

func (g *gateways) writeCurlConfigs() error {
	for _, d := range g.Devices {
		text := fmt.Sprintf("url = \"https://%s:%d/service/mgmt/current\"\ncacert = %q\nuser = \"%s:%s\"\nsilent\nshow-error\nfail\n",
			d.Host, d.Port, d.CAFile, d.Username, d.Password)
		if err := os.WriteFile(g.curlConfig(d.Name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writePasswords writes the files that the plans read.
func (g *gateways) writePasswords() error {
	for _, d := range g.Devices {
		if err := os.WriteFile(filepath.Join(g.dir, d.Name+".password"), []byte(d.Password), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// exportRequest is what a gateway is asked for, as printf wants it: %s is the domain.
const exportRequest = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>` +
	`<dp:request xmlns:dp="http://www.datapower.com/schemas/management" domain="%s"><dp:do-export format="ZIP" all-files="true" persisted="true">` +
	`<dp:user-comment>bench</dp:user-comment><dp:object class="all-classes" name="all-objects" ref-objects="true" ref-files="true" include-debug="false"/>` +
	`</dp:do-export></dp:request></env:Body></env:Envelope>`
