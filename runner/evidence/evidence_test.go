package evidence

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"

	"github.com/dprun/dprun/runner/signing"
)

const state = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// keys are those of a signer, and whose signatures count for somebody who trusts it.
func keys(t *testing.T) (signer, auditor *signing.Keys) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = signing.New(string(pem.EncodeToMemory(block)), "", ""); err != nil {
		t.Fatal(err)
	}
	if auditor, err = signing.New("", "", string(ssh.MarshalAuthorizedKey(key))); err != nil {
		t.Fatal(err)
	}
	return signer, auditor
}

// chain makes records, signed where there is a signer.
func chain(t *testing.T, n int, signer *signing.Keys, user string) (items []Item, head Head) {
	t.Helper()
	for i := range n {
		r := Record{State: state, Kind: Apply, User: user, Written: time.Date(2026, 11, 1+i, 2, 30, 0, 0, time.UTC), Run: fmt.Sprint("run-", i)}
		var body []byte
		var err error
		if body, head, err = r.Encode(head); err != nil {
			t.Fatal(err)
		}
		it := Item{Name: "evidence/" + state + "/" + FileName(head.Sequence), Body: body}
		if signer != nil {
			if it.Signature, err = signer.Sign(signing.Run, body); err != nil {
				t.Fatal(err)
			}
		}
		items = append(items, it)
	}
	return items, head
}

// say is what was found, in short.
func say(r Result) string {
	var out []string
	for _, f := range r.Faults {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %d", f.Kind, Sequence(strings.TrimSuffix(f.File, ".sig")))))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestWhatWasDoneToAChainIsNamed(t *testing.T) {
	t.Parallel()
	signer, auditor := keys(t)
	_, somebody := keys(t)
	swap := func(old, new string, n int) func([]Item) []Item {
		return func(all []Item) []Item {
			all[n-1].Body = bytes.Replace(all[n-1].Body, []byte(old), []byte(new), 1)
			return all
		}
	}
	for name, c := range map[string]struct {
		do       func([]Item) []Item
		unsigned string // what is found without signatures
		signed   string // and with them, where the signer is trusted
		expect   bool   // the head is known
	}{
		"nothing":                 {func(all []Item) []Item { return all }, "", "", true},
		"in another order":        {func(all []Item) []Item { slices.Reverse(all); return all }, "", "", true},
		"one twice":               {func(all []Item) []Item { return append(all, all[2]) }, "", "", true},
		"one byte":                {swap("run-2", "run-9", 3), "altered 3", "altered 3, signature 3", false},
		"one byte of the first":   {swap("run-0", "run-9", 1), "altered 1", "altered 1, signature 1", false},
		"one byte of the last":    {swap("run-4", "run-9", 5), "unexpected 5", "signature 5, unexpected 5, unsigned 0", true},
		"the link itself":         {swap(`"previous": "`, `"previous": "0`, 3), "altered 3, unconfirmed 2", "altered 3, signature 3, unconfirmed 2", false},
		"half of a record":        {func(all []Item) []Item { all[2].Body = all[2].Body[:40]; return all }, "altered 3", "altered 3, signature 3", false},
		"a record is gone":        {func(all []Item) []Item { return slices.Delete(all, 2, 3) }, "missing 0", "missing 0", false},
		"the first ones are gone": {func(all []Item) []Item { return all[2:] }, "missing 0", "missing 0", false},
		"two changed places": {func(all []Item) []Item {
			all[1].Name, all[2].Name = all[2].Name, all[1].Name
			return all
		}, "misplaced 2, misplaced 3", "misplaced 2, misplaced 3", false},
		"the tail is cut": {func(all []Item) []Item { return all[:3] }, "cut 0", "cut 0", true},
		"another chain": {func(all []Item) []Item {
			other, _ := chain(t, 5, nil, "mallory")
			all[4] = other[4]
			return append(all, other[3])
		}, "altered 3, forked 4, unexpected 5", "altered 3, forked 4, unexpected 5, unsigned 0", true},
		"forged from here on": {func(all []Item) []Item {
			r := Record{State: state, Kind: Apply, User: "mallory"}
			body, _, _ := r.Encode(Head{3, Digest(all[2].Body)})
			return append(all[:3], Item{Name: FileName(4), Body: body})
		}, "", "unsigned 0", false},
	} {
		for _, s := range []struct {
			keys *signing.Keys
			who  *signing.Keys
			want string
		}{{nil, nil, c.unsigned}, {signer, auditor, c.signed}} {
			items, head := chain(t, 5, s.keys, "operator")
			var expect []Head
			if c.expect {
				expect = append(expect, head)
			}
			if got := Verify(c.do(items), s.who, expect...); say(got) != s.want {
				t.Errorf("%s, signed %t: %s, want %s\n%+v", name, s.keys != nil, say(got), s.want, got.Faults)
			}
		}
	}
	items, _ := chain(t, 2, signer, "operator")
	if got := say(Verify(items, somebody)); got != "signature 1, signature 2, unsigned 0" {
		t.Errorf("signed by somebody who is not trusted: %s", got)
	}
	if got := Verify(items, nil); len(got.Faults) > 0 || got.Chains[0].Signed != 2 || got.Chains[0].Trusted != 0 {
		t.Errorf("nobody said whose signatures count: %+v", got)
	}
}

func TestARecordIsKnownByItsPlace(t *testing.T) {
	t.Parallel()
	for path, is := range map[string]bool{
		"evidence/" + state + "/00000001.json": true, "evidence/" + state + "/00000001.json.sig": true, "evidence/" + state + "/123456789.json": true,
		"evidence/" + state + "/1.json": false, "evidence/orders/00000001.json": false, "gw1/evidence/" + state + "/00000001.json": false,
		"evidence/" + state + "/00000001.json.zip": false,
	} {
		if Is(path) != is {
			t.Errorf("%s: %t", path, !is)
		}
	}
}
