package datapower_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// health reads the objects of a target as short texts.
func (g *gateway) health(target sdk.Target, only ...string) (objects, unread []string) {
	g.t.Helper()
	h, ok := g.Source.(sdk.Healther)
	if !ok {
		g.t.Fatal("the source does not tell its health")
	}
	r, err := h.Health(testContext(g.t), sdk.HealthRequest{Target: target, Domains: only})
	if err != nil {
		g.t.Fatal(err)
	}
	for _, o := range r.Objects {
		state := []string{o.Domain, o.Class, o.Name}
		for word, is := range map[string]bool{"up": o.Up, "down": !o.Up, "serving": o.Serving, "disabled": o.Disabled, "quiesced": o.Quiesced} {
			if is {
				state = append(state, word)
			}
		}
		slices.Sort(state[3:])
		if o.Up != (o.Detail == "") {
			g.t.Errorf("%v: detail %q", state, o.Detail)
		}
		objects = append(objects, strings.Join(state, " "))
	}
	for _, u := range r.Unread {
		unread = append(unread, u.Domain+" "+string(u.Failure.Reason))
	}
	return objects, unread
}

func TestHealthTellsWhatCarriesTrafficAndWhatElseIsDown(t *testing.T) {
	t.Parallel()
	object := func(class, name, state string) dpsim.Object {
		return dpsim.Object{Class: class, Name: name, State: state}
	}
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{
		{Name: "orders", Objects: []dpsim.Object{
			object("MultiProtocolGateway", "api", ""), object("HTTPSSourceProtocolHandler", "in", "quiesced"), object("WSGateway", "old", "disabled"),
			object("XMLManager", "default", ""), object("LogTarget", "syslog", "down"), object("LogTarget", "off", "disabled"),
		}},
		{Name: "stock"},
	}})
	orders := []string{
		"orders MultiProtocolGateway api serving up", "orders HTTPSSourceProtocolHandler in down quiesced serving", "orders WSGateway old disabled down serving",
		"orders LogTarget syslog down",
	}
	stock := []string{"stock HTTPSourceProtocolHandler stock-http serving up", "stock MultiProtocolGateway stock serving up"}
	for target, want := range map[string][]string{"orders": orders, "": append(orders, stock...)} {
		objects, unread := g.health(sdk.Target{Domain: target})
		if diff := cmp.Diff(want, objects); diff != "" || len(unread) > 0 {
			t.Errorf("%q: unread %v, objects (-want +got):\n%s", target, unread, diff)
		}
	}
	before := g.requests()
	g.health(sdk.Target{Domain: "orders"})
	if n := g.requests() - before; n != 1 {
		t.Errorf("the health of a domain took %d requests", n)
	}
	before = g.requests()
	if objects, _ := g.health(sdk.Target{}, "stock"); !slices.Equal(objects, stock) || g.requests()-before != 1 {
		t.Errorf("of one domain of the gateway it told %v, with %d requests", objects, g.requests()-before)
	}
}

// For every way to answer wrongly: the domain is unread, and no object of it is told.
func TestADomainThatDoesNotTellItsObjectsIsUnread(t *testing.T) {
	t.Parallel()
	for kind, reason := range map[string]failure.Reason{
		"refused": failure.NotPermitted, "garbage": failure.BadReply, "wrong_part": failure.BadReply, "http_error": failure.DeviceError, "error_log": failure.DeviceError,
		"no_rows": failure.BadReply,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{{Kind: kind, Operation: "get-status/ObjectStatus", Domain: "app01"}}})
			objects, unread := g.health(sdk.Target{})
			if diff := cmp.Diff([]string{"app01 " + string(reason)}, unread); diff != "" {
				t.Errorf("unread (-want +got):\n%s", diff)
			}
			for _, o := range objects {
				if strings.HasPrefix(o, "app01 ") {
					t.Errorf("told: %s", o)
				}
			}
			if len(objects) == 0 {
				t.Error("the other domain is not told")
			}
		})
	}
}

func TestALostAnswerIsNoHealth(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{{Kind: "close", Operation: "get-status/ObjectStatus", Domain: "app01"}}})
	_, err := g.Source.(sdk.Healther).Health(testContext(t), sdk.HealthRequest{})
	wantFailure(t, failure.CallHealth, err, failure.Unavailable, "")
}

func TestObjectsAreDownWhileTheirDomainIsQuiesced(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1})
	need.Done(t, g.Quiesce(testContext(t), sdk.Target{Domain: "app01"}, time.Minute))
	objects, _ := g.health(sdk.Target{Domain: "app01"})
	want := []string{"app01 HTTPSourceProtocolHandler app01-http down quiesced serving", "app01 MultiProtocolGateway app01 down quiesced serving"}
	if diff := cmp.Diff(want, objects); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func TestServicesAndHandlersCarryTraffic(t *testing.T) {
	t.Parallel()
	for class, want := range map[string]bool{
		"HTTPSSourceProtocolHandler": true, "MQv9PlusSourceProtocolHandler": true, "SFTPFilePollerSourceProtocolHandler": true, "XTCProtocolHandler": true,
		"AS2ProxySourceProtocolHandler": true, "MultiProtocolGateway": true, "WSGateway": true, "TCPProxyService": true, "SSLProxyService": true, "APIGateway": true,
		"XMLManager": false, "LogTarget": false, "CryptoCertificate": false, "MQQM": false, "HTTPUserAgent": false, "GatewayPeering": false, "WebGUI": false, "": false,
	} {
		if got := datapower.Serving(class); got != want {
			t.Errorf("%s: %v", class, got)
		}
	}
}
