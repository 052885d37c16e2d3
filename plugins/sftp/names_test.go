package sftp

import (
	"context"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func TestNamesThatCouldLeaveTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	d := open(t, Config{Password: "x", FileMode: "0600", Connections: 1}) // no server: refused before one is asked
	for _, name := range []string{
		"", ".", "..", "/abs", "a/../b", "a//b", "a/", "./a", "a\x00b", "a\nb", "a\\b", "a\xffb",
		strings.Repeat("n", 256), "dir/" + tempName("x"), tempName("x") + "/file", ".dprun-x",
	} {
		_, err := d.Stat(t.Context(), name)
		wantFailure(t, err, failure.Precondition, failure.BadConfig)
		_, err = d.Store(t.Context(), sdk.StoreRequest{Path: name}, nil)
		wantFailure(t, err, failure.Precondition, failure.BadConfig)
		_, err = d.Fetch(context.Background(), sdk.FetchRequest{Path: name}, nil)
		wantFailure(t, err, failure.Precondition, failure.BadConfig)
		wantFailure(t, d.Delete(t.Context(), name), failure.Precondition, failure.BadConfig)
	}
	for _, name := range []string{"a", "site/gw 1/ünï/x.zip", "..a", "a..b", ".hidden", strings.Repeat("n", 255)} {
		if err := checkPath(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	_, err := d.List(t.Context(), "../up")
	wantFailure(t, err, failure.Precondition, failure.BadConfig)
	_, err = d.Sweep(t.Context(), sdk.SweepRequest{Prefix: "a/../../up"})
	wantFailure(t, err, failure.Precondition, failure.BadConfig)
}

func TestTemporaryNamesKeepOwnersApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, owner := range []string{"", "a", "a-b", "a/b", "a=2fb", "a_b", "-", "../..", "ü", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		name := tempName(owner)
		got, ok := tempOwner(name)
		if !ok || got != escapeOwner(owner) {
			t.Errorf("owner %q: %q reads as %q, %v", owner, name, got, ok)
		}
		if prev, twice := seen[got]; twice {
			t.Errorf("owners %q and %q look the same", prev, owner)
		}
		seen[got] = owner
		if len(name) > maxName || strings.Contains(name, "/") {
			t.Errorf("owner %q: %q cannot be a file name", owner, name)
		}
	}
	for _, name := range []string{"file", ".dprun-x.part", ".dprun-x-12345678.part", ".dprun-x-0123456789abcdeg.part", ".dprun-x-0123456789abcdef", "x.dprun-x-0123456789abcdef.part"} {
		if _, ok := tempOwner(name); ok {
			t.Errorf("%q was taken for a temporary name", name)
		}
	}
}

func TestLocationNamesTheServer(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"sftp://vault/srv":       {Host: "vault", Port: 22, Directory: "/srv"},
		"sftp://vault:2222/srv":  {Host: "vault", Port: 2222, Directory: "/srv"},
		"sftp://[::1]/srv":       {Host: "::1", Port: 22, Directory: "/srv"},
		"sftp://[::1]:2222/~/in": {Host: "::1", Port: 2222, Directory: "in"},
	} {
		if got := c.location(c.Directory); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
