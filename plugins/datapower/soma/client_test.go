package soma_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAResultIsReadWhateverItLooksLike(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body  string
		class soma.Class
		text  string
	}{
		"ok":                 {reply(stamp + `<dp:result>OK</dp:result>`), "", ""},
		"padded ok":          {reply(stamp + "<dp:result>\n            OK\n    </dp:result>"), "", ""},
		"other prefixes":     {`<S:Envelope xmlns:S="urn:any"><S:Header/><S:Body><response xmlns="` + soma.Namespace + `"><result>OK</result></response></S:Body></S:Envelope>`, "", ""},
		"bad password":       {reply(`<dp:result>Authentication failure</dp:result>`), soma.Denied, "refused"},
		"operation refused":  {reply(stamp + `<dp:result>Authentication failure</dp:result>`), soma.Refused, "may not"},
		"text":               {reply(stamp + `<dp:result>Error creating secure backup.</dp:result>`), soma.Result, "Error creating secure backup."},
		"log, old":           {reply(stamp + `<dp:result><error-log><log-event level="error">No such file</log-event><log-event level="error">(config)# x</log-event></error-log></dp:result>`), soma.Result, "No such file; (config)# x"},
		"log, new":           {reply(stamp + `<dp:result><error-log><dp:log-event level="error">Unable</dp:log-event></error-log></dp:result>`), soma.Result, "Unable"},
		"control characters": {reply(stamp + "<dp:result>a&#x9;b\u0085</dp:result>"), soma.Result, "a b"},
		"no result":          {reply(stamp), soma.BadReply, "no result"},
		"fault":              {`<e:Envelope xmlns:e="x"><e:Body><e:Fault><faultcode>c</faultcode><faultstring>Internal Error (from client)</faultstring></e:Fault></e:Body></e:Envelope>`, soma.Fault, "Internal Error (from client)"},
		"fault 1.2":          {`<e:Envelope xmlns:e="x"><e:Body><e:Fault><e:Reason><e:Text>no</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>`, soma.Fault, "no"},
		"html":               {`<html><body>login</body></html>`, soma.BadReply, `"html"`},
		"text only":          {`hello`, soma.BadReply, "empty"},
		"empty":              {``, soma.BadReply, "empty"},
		"broken":             {`<a></b>`, soma.BadReply, ""},
		"other namespace":    {`<e:Envelope xmlns:e="x"><e:Body><response><result>OK</result></response></e:Body></e:Envelope>`, soma.BadReply, ""},
		"cut":                {reply(stamp + `<dp:result>OK</dp:result>`)[:200], soma.Truncated, "ended early"},
		"deep":               {reply(`<dp:result>` + strings.Repeat("<a>", 500)), soma.BadReply, "deeper"},
		"endless":            {reply(`<dp:result>` + strings.Repeat("x", 70_000)), soma.TooLarge, "larger"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, says(c.body))
			err := d.client(t, func(c *soma.Config) { c.MaxReply = 64 << 10 }).DomainUnquiesce(testContext(t), "orders")
			wantClass(t, err, c.class, c.text)
		})
	}
}

func TestAReplyOfTinyElementsIsRefusedBeforeItFillsTheMemory(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]string{
		"rows":       strings.Repeat("<a/>", 4_000_000),
		"columns":    "<DomainStatus>" + strings.Repeat("<a/>", 4_000_000),
		"attributes": "<DomainStatus" + strings.Repeat(` a=">"`, 2_000_000) + "/>",
	} {
		d := newDevice(t, says(reply(stamp+`<dp:status>`+status)))
		_, err := d.client(t).DomainStatus(testContext(t))
		wantClass(t, err, soma.TooLarge, "elements and attributes")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestHTTPStatusesAreFailures(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]soma.Class{301: soma.HTTPStatus, 401: soma.Denied, 403: soma.Refused, 404: soma.HTTPStatus, 503: soma.HTTPStatus} {
		d := newDevice(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://127.0.0.1:1/")
			w.WriteHeader(status)
		})
		wantClass(t, d.client(t).UnquiesceDP(testContext(t)), want, fmt.Sprint(status))
	}
	d := newDevice(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `<e:Envelope xmlns:e="x"><e:Body><e:Fault><faultstring>Internal Error</faultstring></e:Fault></e:Body></e:Envelope>`)
	})
	wantClass(t, d.client(t).UnquiesceDP(testContext(t)), soma.Fault, "Internal Error")
}

func TestAWrongPasswordIsDenied(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(stamp+`<dp:result>OK</dp:result>`)))
	err := d.client(t, func(c *soma.Config) { c.Password = "wrong-pass" }).UnquiesceDP(testContext(t))
	wantClass(t, err, soma.Denied, "refused")
}

func TestTLSIsAlwaysVerified(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(stamp+`<dp:result>OK</dp:result>`)))
	sum := sha256.Sum256(d.server.Certificate().Raw)
	fingerprint := hex.EncodeToString(sum[:])
	other := strings.Repeat("ab", 32)
	for name, c := range map[string]struct {
		tls   soma.TLS
		class soma.Class
		text  string
	}{
		"trusted root":       {d.config.TLS, "", ""},
		"unknown root":       {soma.TLS{}, soma.TLSFailure, fingerprint},
		"wrong name":         {soma.TLS{CAs: d.config.TLS.CAs, ServerName: "gateway.invalid"}, soma.TLSFailure, fingerprint},
		"pinned":             {soma.TLS{Fingerprint: strings.ToUpper(fingerprint)}, "", ""},
		"pinned, other":      {soma.TLS{Fingerprint: other}, soma.TLSFailure, fingerprint},
		"root but other pin": {soma.TLS{CAs: d.config.TLS.CAs, Fingerprint: other}, soma.TLSFailure, fingerprint},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := d.client(t, func(conf *soma.Config) { conf.TLS = c.tls })
			err := client.UnquiesceDP(testContext(t))
			wantClass(t, err, c.class, c.text)
			if err == nil && client.Fingerprint() != fingerprint {
				t.Errorf("fingerprint %q, want %q", client.Fingerprint(), fingerprint)
			}
		})
	}
	for name, conf := range map[string]soma.TLS{"short fingerprint": {Fingerprint: "ab:cd"}, "no certificate": {CAs: []byte("x")}} {
		if _, err := soma.New(soma.Config{Host: "gw", TLS: conf}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAPlainHTTPServerIsATLSFailure(t *testing.T) {
	t.Parallel()
	l := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n") })
	wantClass(t, at(t, l).UnquiesceDP(testContext(t)), soma.TLSFailure, "TLS")
}

// listen accepts connections on the loopback and hands each to serve, then keeps it open until the test ends.
func listen(t *testing.T, serve func(net.Conn)) net.Listener {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); close(done) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
				<-done
			}()
		}
	}()
	return l
}

func at(t *testing.T, l net.Listener) *soma.Client {
	t.Helper()
	c, err := soma.New(soma.Config{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, ConnectTimeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAnAbsentDeviceIsUnreachable(t *testing.T) {
	t.Parallel()
	l := listen(t, func(net.Conn) {})
	closed := at(t, l)
	_ = l.Close()
	wantClass(t, closed.UnquiesceDP(testContext(t)), soma.Unreachable, "no connection")
	silent := at(t, listen(t, func(net.Conn) {}))
	wantClass(t, silent.UnquiesceDP(testContext(t)), soma.Unreachable, "TLS handshake timeout")
}

func TestSilenceEndsByDeadlineStallOrCancellation(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	d := newDevice(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/begun") {
			_, _ = io.WriteString(w, reply("<dp:file>QUJD")[:150])
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })

	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	wantClass(t, d.client(t).UnquiesceDP(ctx), soma.Deadline, "in time")

	begun := d.client(t, func(c *soma.Config) { c.Path, c.Stall = "/begun", 100*time.Millisecond })
	wantClass(t, begun.UnquiesceDP(testContext(t)), soma.Stalled, "100ms")

	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	wantClass(t, d.client(t).UnquiesceDP(ctx), soma.Cancelled, "cancelled")
}

func TestARequestWithoutAnswerIsLostAndNotRepeated(t *testing.T) {
	t.Parallel()
	d := newDevice(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
	})
	wantClass(t, d.client(t).DomainQuiesce(testContext(t), "orders", time.Minute), soma.Lost, "without an answer")
	if n := len(d.requests); n != 1 {
		t.Errorf("%d requests were sent, want 1", n)
	}
}

func TestRequestsAreWellFormedAndEscaped(t *testing.T) {
	t.Parallel()
	d := newDevice(t, says(reply(stamp+`<dp:result>OK</dp:result>`)))
	c := d.client(t)
	ctx := testContext(t)
	calls := map[string]func() error{
		`<dp:request xmlns:dp="` + soma.Namespace + `" domain="default"><dp:do-action><DomainQuiesce><name>a&lt;&amp;&#34;b</name><timeout>60</timeout></DomainQuiesce></dp:do-action></dp:request>`: func() error {
			return c.DomainQuiesce(ctx, `a<&"b`, time.Second)
		},
		`<dp:do-action><DomainUnquiesce><name>a</name></DomainUnquiesce></dp:do-action>`:     func() error { return c.DomainUnquiesce(ctx, "a") },
		`<dp:do-action><QuiesceDP><timeout>91</timeout></QuiesceDP></dp:do-action>`:          func() error { return c.QuiesceDP(ctx, 90*time.Second+time.Millisecond) },
		`<dp:do-action><UnquiesceDP/></dp:do-action>`:                                        func() error { return c.UnquiesceDP(ctx) },
		`domain="x"><dp:do-action><DeleteFile><File>temporary:///a</File></DeleteFile></dp:`: func() error { return c.DeleteFile(ctx, "x", "temporary:///a") },
		`<SecureBackup><cert>c</cert><destination>temporary:///d/</destination><include-iscsi>off</include-iscsi><include-raid>on</include-raid></SecureBackup>`: func() error {
			return c.SecureBackup(ctx, soma.SecureBackupRequest{Certificate: "c", Destination: "temporary:///d/", IncludeRAID: true})
		},
	}
	for want, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if got := <-d.requests; !strings.Contains(got, want) {
			t.Errorf("request %s\nwant %s", got, want)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	addrs := map[string]bool{}
	d := newDevice(t, func(w http.ResponseWriter, r *http.Request) {
		addrs[r.RemoteAddr] = true
		_, _ = io.WriteString(w, reply(stamp+`<dp:result>OK</dp:result>`)+"\n")
	})
	c := d.client(t)
	for range 5 {
		need.Done(t, c.UnquiesceDP(testContext(t)))
	}
	if len(addrs) != 1 {
		t.Errorf("%d connections for 5 requests", len(addrs))
	}
}

func TestStatusesAreDecoded(t *testing.T) {
	t.Parallel()
	const env = ` xmlns:env="http://www.w3.org/2003/05/soap-envelope"`
	d := newDevice(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, reply(stamp+map[string]string{
			"/domains": `<dp:status><DomainStatus` + env + `><Domain>default</Domain><SaveNeeded>off</SaveNeeded><CurrentCommand/><QuiesceState/></DomainStatus>` +
				`<DomainStatus><Domain>orders</Domain><SaveNeeded>on</SaveNeeded><CurrentCommand>backup</CurrentCommand><QuiesceState>quiesced</QuiesceState><FailsafeMode>none</FailsafeMode></DomainStatus></dp:status>`,
			"/space":   `<dp:status><FilesystemStatus` + env + `><FreeTemporary>217</FreeTemporary><TotalTemporary>242</TotalTemporary><FreeInternal>x</FreeInternal></FilesystemStatus></dp:status>`,
			"/objects": `<dp:status><ObjectStatus` + env + `><Class>HTTPService</Class><OpState>up</OpState><AdminState>enabled</AdminState><Name>a</Name><EventCode>0x0</EventCode><ErrorCode/><ConfigState>saved</ConfigState></ObjectStatus></dp:status>`,
			"/config":  `<dp:config><Domain name="default" intrinsic="true"` + env + `><FileMap><CopyFrom>on</CopyFrom></FileMap></Domain></dp:config>`,
			"/store": `<dp:filestore><location name="temporary:" read="true"` + env + `><directory name="temporary:/sb"><file name="root.tgz"><size>12</size><modified>2020-02-10 05:51:47</modified></file></directory>` +
				`<file name="x"><Access><r>on</r></Access><size>3</size></file></location></dp:filestore>`,
			"/empty": `<dp:status/>`,
		}[r.URL.Path]))
	})
	on := func(path string) *soma.Client { return d.client(t, func(c *soma.Config) { c.Path = path }) }
	ctx := testContext(t)
	check := func(name string, want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
	domains, err := on("/domains").DomainStatus(ctx)
	check("domains", &soma.Domains{
		Time:    time.Date(2013, 5, 3, 21, 45, 34, 0, time.FixedZone("", -4*3600)),
		Domains: []soma.Domain{{Name: "default", QuiesceTold: true}, {Name: "orders", SaveNeeded: true, CurrentCommand: "backup", QuiesceState: "quiesced", QuiesceTold: true, FailsafeMode: "none"}},
	}, domains, err)
	space, err := on("/space").FilesystemStatus(ctx)
	check("space", &soma.Filesystem{FreeTemporary: 217_000_000, TotalTemporary: 242_000_000, FreeInternal: -1, TotalInternal: -1, FreeEncrypted: -1, TotalEncrypted: -1}, space, err)
	objects, err := on("/objects").ObjectStatus(ctx, "orders")
	check("objects", []soma.Object{{Class: "HTTPService", Name: "a", OpState: "up", AdminState: "enabled", ConfigState: "saved", EventCode: "0x0"}}, objects, err)
	nodes, err := on("/config").GetConfig(ctx, "default", "Domain", "default")
	check("config", []*soma.Node{{Name: "Domain", Attrs: map[string]string{"name": "default", "intrinsic": "true"}, Children: []*soma.Node{
		{Name: "FileMap", Children: []*soma.Node{{Name: "CopyFrom", Text: "on"}}},
	}}}, nodes, err)
	files, directories, err := on("/store").Filestore(ctx, "default", "temporary:")
	check("files", []soma.StoredFile{{Path: "temporary:///sb/root.tgz", Size: 12, Modified: "2020-02-10 05:51:47"}, {Path: "temporary:///x", Size: 3}}, files, err)
	check("directories", []string{"temporary:///sb"}, directories, err)
	none, err := on("/empty").ObjectStatus(ctx, "orders")
	check("empty", []soma.Object(nil), none, err)
	_, err = on("/config").DomainStatus(ctx)
	wantClass(t, err, soma.BadReply, "no status")
}

func TestFirmwareFallsBackToOlderForms(t *testing.T) {
	t.Parallel()
	for _, known := range []string{"FirmwareVersion3", "FirmwareVersion2", "FirmwareVersion", "none"} {
		d := newDevice(t, nil)
		d.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			answer := reply(stamp + `<dp:result>Invalid class</dp:result>`)
			if strings.Contains(string(body), `class="`+known+`"`) {
				answer = reply(stamp + "<dp:status><" + known + "><Serial>42</Serial><Version>IDG.10</Version></" + known + "></dp:status>")
			}
			_, _ = io.WriteString(w, answer)
		})
		got, err := d.client(t).Firmware(testContext(t))
		if known == "none" {
			wantClass(t, err, soma.Result, "Invalid class")
		} else if err != nil || got.Serial != "42" || got.Version != "IDG.10" {
			t.Errorf("%s: %+v, %v", known, got, err)
		}
	}
}

func TestPathsOfTheDeviceAreNormalized(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"temporary:/d/f": "temporary:///d/f", "temporary://d": "temporary:///d", "temporary:///d/": "temporary:///d", "local:": "local:///", "local:///../x": "local:///x", "x": "x",
	} {
		if got := soma.NormalizePath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTheDetailsOfACertificateAreReadAsFarAsTheyAreTold(t *testing.T) {
	t.Parallel()
	part := func(details string) string {
		return `<dp:view-certificate-details><CryptoCertificate name="c">` + details + `</CryptoCertificate></dp:view-certificate-details>`
	}
	for body, want := range map[string]*soma.CertificateDetails{
		part(`<CertificateDetails fingerprint-sha1="AB:cd"><NotAfter>2031-02-03T04:05:06Z</NotAfter><SubjectPublicKeyAlgorithm>rsaEncryption</SubjectPublicKeyAlgorithm></CertificateDetails>`): {
			SHA1: "abcd", Key: "rsa", NotAfter: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC),
		},
		part(`<CertificateDetails><KeyValue><RSAKeyValue/></KeyValue></CertificateDetails>`):                                                 {Key: "rsa"},
		part(`<CertificateDetails><SubjectPublicKeyAlgorithm>id-ecPublicKey</SubjectPublicKeyAlgorithm></CertificateDetails>`):               {Key: "ecdsa"},
		part(`<CertificateDetails><SubjectPublicKeyAlgorithm>dsa</SubjectPublicKeyAlgorithm><NotAfter>soon</NotAfter></CertificateDetails>`): {Key: "dsa"},
		part(``):                         nil,
		`<dp:view-certificate-details/>`: nil,
		`<dp:status/>`:                   nil,
	} {
		d := newDevice(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply(body)) })
		got, err := d.client(t).CertificateDetails(t.Context(), "default", "c")
		if diff := cmp.Diff(want, got); diff != "" || (want == nil) != (soma.ClassOf(err) == soma.BadReply) {
			t.Errorf("%s: %v\n%s", body, err, diff)
		}
	}
}
