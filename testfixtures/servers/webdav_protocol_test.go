//go:build builtservers

package servers_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestBuiltPluginInAnotherLanguageServesItsHostAlone plays the host by hand, as
// docs/plugin-protocol.md has it: handshake, TLS, the end.
func TestBuiltPluginInAnotherLanguageServesItsHostAlone(t *testing.T) {
	t.Parallel()
	id := need.Value(client.NewIdentity())(t)
	h := client.Handshake()
	cmd := exec.Command(webdavPlugin(t))
	cmd.Env = append(os.Environ(), h.MagicCookieKey+"="+h.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR="+t.TempDir(), id.Env())
	var said bytes.Buffer
	cmd.Stderr = &said
	out := need.Value(cmd.StdoutPipe())(t)
	need.Done(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, if the test went well
	line := need.Value(bufio.NewReader(out).ReadString('\n'))(t)
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
	if len(fields) != 6 || fields[0] != "1" || fields[1] != "1" || fields[2] != "unix" || fields[4] != "grpc" {
		t.Fatalf("the handshake is %q", line)
	}
	raw, err := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil {
		t.Fatalf("the certificate of the handshake: %v", err)
	}
	own := need.Value(x509.ParseCertificate(raw))(t)
	good := id.TLS()
	good.RootCAs.AddCert(own)

	stranger := need.Value(client.NewIdentity())(t).TLS()
	stranger.RootCAs.AddCert(own)
	nameless := good.Clone()
	nameless.Certificates = nil
	for who, config := range map[string]*tls.Config{"another host": stranger, "nobody in particular": nameless} {
		if _, err := describe(t, fields[3], config); err == nil {
			t.Errorf("the plugin serves %s", who)
		}
	}
	conn, err := describe(t, fields[3], good)
	if err != nil {
		t.Fatalf("the plugin does not serve its host: %v", err)
	}
	if err := conn.Invoke(t.Context(), "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	begin := time.Now()
	if err := cmd.Wait(); err != nil || time.Since(begin) > time.Minute {
		t.Errorf("it ended with %v, %v after the shutdown: %s", err, time.Since(begin), said.String())
	}
	if _, err := os.Lstat(fields[3]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is left: %v", err)
	}
}

func describe(t *testing.T, socket string, config *tls.Config) (*grpc.ClientConn, error) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///plugin", append(client.DialOptions(), grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}))...)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = client.New(conn, nil).Describe(ctx)
	return conn, err
}

// davDestination is an instance in a process of its own.
func davDestination(t *testing.T, s davServer) sdk.Destination {
	t.Helper()
	running := need.Value(conformance.Program(webdavPlugin(t))(t.Context()))(t)
	t.Cleanup(running.Stop)
	return need.Value(running.ConfigureDestination(t.Context(), "webdav", davConfig(s)))(t)
}

// TestBuiltPluginInAnotherLanguageNeverReplaces lets two processes store
// different files under one name at the same time. Apache alone lets both succeed.
func TestBuiltPluginInAnotherLanguageNeverReplaces(t *testing.T) {
	t.Parallel()
	for name, start := range davServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var destinations []sdk.Destination
			for range 2 {
				destinations = append(destinations, davDestination(t, s))
			}
			for round := range 20 {
				results := make([]error, 6)
				requests := make([]sdk.StoreRequest, len(results))
				var wg sync.WaitGroup
				for i := range results {
					requests[i] = davRequest(t, fmt.Sprintf("file-%d", round), fmt.Sprintf("content %d of round %d", i, round))
					wg.Go(func() { _, results[i] = destinations[i%2].Store(t.Context(), requests[i], nil) })
				}
				wg.Wait()
				stored := hashes(t, s.dir)
				won := 0
				for i, err := range results {
					f, _ := errors.AsType[*failure.Error](err)
					switch {
					case err == nil:
						won++
						if got := stored[requests[i].Path]; got != requests[i].SHA256 {
							t.Errorf("round %d: %s was stored with success, and holds something else (%q)", round, requests[i].Path, got)
						}
					case f == nil || f.Kind != failure.Exists:
						t.Errorf("round %d: a store that lost gives %v", round, err)
					}
				}
				if won != 1 {
					t.Errorf("round %d: %d stores of different content succeeded", round, won)
				}
			}
			for path := range hashes(t, s.dir) {
				if strings.Contains(path, ".dprun-") {
					t.Errorf("%s is left", path)
				}
			}
		})
	}
}

// TestBuiltPluginInAnotherLanguageCutsLongFailures: Node sends no header of more
// than 64 KiB, and the call would not end.
func TestBuiltPluginInAnotherLanguageCutsLongFailures(t *testing.T) {
	t.Parallel()
	d := davDestination(t, apacheDAV(t))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := d.Store(ctx, davRequest(t, strings.Repeat("ü/", 20_000)+"x", "content"), nil)
	f, ok := errors.AsType[*failure.Error](err)
	if !ok || f.Kind != failure.Precondition || f.Reason != failure.BadConfig || f.Remedy == "" || len(f.Message) > 5000 {
		t.Errorf("a path that is too long for the server gives %v", err)
	}
}

// TestBuiltPluginInAnotherLanguageTellsFailuresApart: the class of a failure
// crosses the protocol, and the password does not.
func TestBuiltPluginInAnotherLanguageTellsFailuresApart(t *testing.T) {
	t.Parallel()
	s := apacheDAV(t)
	silent := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t) // takes connections, and says nothing
	t.Cleanup(func() { _ = silent.Close() })
	other, _ := serverCertificate(t)
	otherCA := filepath.Join(t.TempDir(), "ca.pem")
	need.Done(t, os.WriteFile(otherCA, []byte(other), 0o600))
	running := need.Value(conformance.Program(webdavPlugin(t))(t.Context()))(t)
	t.Cleanup(running.Stop)
	for what, c := range map[string]struct {
		set    map[string]string
		kind   failure.Kind
		reason failure.Reason
	}{
		"a wrong password":              {map[string]string{"password": "wrong"}, failure.Denied, failure.BadCredentials},
		"a certificate of somebody":     {map[string]string{"ca_file": otherCA}, failure.Denied, failure.HostKey},
		"nobody at the port":            {map[string]string{"url": "https://" + freeAddr(t)}, failure.Unavailable, failure.Unreachable},
		"a directory that is not there": {map[string]string{"url": s.url + "nothing"}, failure.NotFound, failure.NoDirectory},
		"a server that is silent":       {map[string]string{"url": "http://" + silent.Addr().String(), "timeout": "1s"}, failure.Timeout, failure.Stalled},
	} {
		config := davConfig(s).AsValueMap()
		for name, value := range c.set {
			config[name] = cty.StringVal(value)
		}
		d := need.Value(running.ConfigureDestination(t.Context(), "webdav", cty.ObjectVal(config)))(t)
		_, err := d.Check(t.Context())
		f, ok := errors.AsType[*failure.Error](err)
		if !ok || f.Kind != c.kind || f.Reason != c.reason || strings.Contains(f.Error(), davPassword) {
			t.Errorf("%s gives %+v, want %s, %s", what, err, c.kind, c.reason)
		}
		need.Done(t, d.Close())
	}
}

func davConfig(s davServer) cty.Value {
	ca := cty.NullVal(cty.String)
	if s.ca != "" {
		ca = cty.StringVal(s.ca)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"url": cty.StringVal(s.url), "username": cty.StringVal(davUser), "password": cty.StringVal(davPassword), "ca_file": ca, "timeout": cty.StringVal("60s"),
	})
}

func davRequest(t *testing.T, path, content string) sdk.StoreRequest {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source")
	need.Done(t, os.WriteFile(source, []byte(content), 0o600))
	sum := sha256.Sum256([]byte(content))
	return sdk.StoreRequest{Source: source, Path: path, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Verify: sdk.VerifyReadBack, Owner: "test"}
}
