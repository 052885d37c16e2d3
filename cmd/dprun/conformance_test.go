package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/smtptalk"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// TestBundledPluginsKeepTheRulesOfProcesses: as dprun starts them, with real
// servers, killed in the middle of stores.
func TestBundledPluginsKeepTheRulesOfProcesses(t *testing.T) {
	t.Parallel()
	words := func(s ...string) (out []cty.Value) {
		for _, w := range s {
			out = append(out, cty.StringVal(w))
		}
		return out
	}
	shell := func(script string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"command": cty.ListVal(words("/bin/sh", "-c", script)), "secrets": cty.MapVal(map[string]cty.Value{"TOKEN": cty.StringVal("a-secret-token")}),
		})
	}
	device := dpsim.Device{Name: "gw1", ExportSize: "1MB", Domains: []dpsim.Domain{{Name: "orders"}}}
	fleet := need.Value(dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir(), Devices: []dpsim.Device{device}}))(t)
	t.Cleanup(fleet.Close)
	configs := map[string]func(*testing.T) cty.Value{
		"exec": func(*testing.T) cty.Value { return shell("echo done") },
		"file": func(t *testing.T) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(t.TempDir())})
		},
		"datapower": func(*testing.T) cty.Value {
			gw := fleet.Device("gw1")
			return cty.ObjectVal(map[string]cty.Value{
				"host": cty.StringVal(gw.Host), "port": cty.NumberIntVal(int64(gw.Port)), "username": cty.StringVal(gw.Username), "password": cty.StringVal(gw.Password),
				"tls": cty.ObjectVal(map[string]cty.Value{"ca_file": cty.StringVal(gw.CAFile)}),
			})
		},
		"sftp": func(t *testing.T) cty.Value {
			s := sshd.Start(t, sshd.Options{})
			key := need.Value(os.ReadFile(s.PrivateKey))(t)
			return cty.ObjectVal(map[string]cty.Value{
				"host": cty.StringVal(s.Host), "port": cty.NumberIntVal(int64(s.Port)), "username": cty.StringVal(s.User),
				"private_key": cty.StringVal(string(key)), "known_hosts": cty.StringVal(s.KnownHosts), "directory": cty.StringVal(s.Dir),
			})
		},
		"mail": func(t *testing.T) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{
				"host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(smtptalk.Start(t, nil))), "tls": cty.StringVal("none"),
				"from": cty.StringVal("dprun@example.test"), "to": cty.ListVal(words("team@example.test")),
			})
		},
		"syslog": func(t *testing.T) cty.Value {
			l := need.Value(net.ListenPacket("udp", "127.0.0.1:0"))(t)
			t.Cleanup(func() { _ = l.Close() })
			return cty.ObjectVal(map[string]cty.Value{"transport": cty.StringVal("udp"), "host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(l.LocalAddr().(*net.UDPAddr).Port))})
		},
		"webhook": func(t *testing.T) cty.Value {
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			t.Cleanup(s.Close)
			return cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal(s.URL), "signing_key": cty.StringVal("a-secret-signing-key")})
		},
		"nfs": func(t *testing.T) cty.Value {
			s := ganesha.Start(t)
			return cty.ObjectVal(map[string]cty.Value{
				"server": cty.StringVal(s.Host), "export": cty.StringVal(s.Export),
				"nfs_port": cty.NumberIntVal(int64(s.NFSPort)), "mount_port": cty.NumberIntVal(int64(s.MountPort)),
			})
		},
	}
	for name := range bundled() {
		config, known := configs[name]
		if !known {
			t.Errorf("the rules are not asked of the plugin %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := conformance.Subject{Start: conformance.Program(os.Args[0], "__plugin", name), Kind: schema.KindDestination, Type: name, Config: config(t), Large: 8 << 20}
			switch name {
			case "mail", "syslog", "webhook":
				s.Kind = schema.KindHook
			case "exec":
				s.Kind, s.Fails, s.Hangs = schema.KindHook, shell("exit 3"), shell("sleep 100 & sleep 100")
			case "datapower":
				s.Kind, s.Work = schema.KindSource, &conformance.Work{Activity: "export_domain", Domain: "orders", Quiesce: true, Restore: true}
			}
			for _, c := range conformance.Cases(s) {
				if c.Where != conformance.OwnProcess && name != "nfs" {
					continue // the plugin's own tests ask it
				}
				t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
			}
		})
	}
}
