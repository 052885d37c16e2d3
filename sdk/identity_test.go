package sdk

import "testing"

func TestTheHandshakeLineNamesTheCertificateAndOtherLinesStay(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"1|1|unix|/tmp/plugin1|grpc|\n":       "1|1|unix|/tmp/plugin1|grpc|AQID\n",
		"1|1|unix|/tmp/plugin1|grpc||true\n":  "1|1|unix|/tmp/plugin1|grpc|AQID|true\n",
		"1|1|unix|/tmp/plugin1|grpc|other\n":  "1|1|unix|/tmp/plugin1|grpc|other\n",
		"1|1|unix|/tmp/plugin1|grpc|":         "1|1|unix|/tmp/plugin1|grpc|",
		"a line that a plugin prints | six\n": "a line that a plugin prints | six\n",
		"":                                    "",
	} {
		if got := nameIn(line, []byte{1, 2, 3}); got != want {
			t.Errorf("%q becomes %q, not %q", line, got, want)
		}
	}
}

func TestAHostWhoseCertificateCannotBeReadIsNotServed(t *testing.T) {
	t.Parallel()
	if _, _, err := identify("no certificate", nil); err == nil {
		t.Error("a server is made that trusts nobody or everybody")
	}
}
