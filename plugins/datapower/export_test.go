package datapower

import (
	"context"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Configure and Validate are what the SDK calls; the tests do so without a process between.
func Configure(c Config, env sdk.Env) (sdk.Source, error) {
	return configure(c, env, nil)
}

func Validate(c Config) []schema.Diagnostic {
	return validateConfig(c, func(...string) bool { return true })
}

func ValidateSecureBackup(certificate, directory string) []schema.Diagnostic {
	return validateSecureBackup(secureBackupConfig{Certificate: certificate, Directory: directory}, func(...string) bool { return true })
}

func QuiesceStateOf(text string) sdk.QuiesceState {
	return quiesceState(soma.Domain{QuiesceState: text, QuiesceTold: true})
}

func Serving(class string) bool { return serving(class) }

// Grants says what the lines of an access profile grant, and whether that is known.
func Grants(lines []string, domain, resource, letter string) (granted, known bool) {
	r := rights{known: true}
	for _, text := range lines {
		l, ok := parseProfileLine(text)
		if !ok {
			return false, false
		}
		r.lines = append(r.lines, l)
	}
	return r.grants(domain, resource, letter)
}

// OlderFirmware makes [olderFirmware] known to tests.
var OlderFirmware = olderFirmware

// Hurry has a source wait for what it polls by calling wait, which may advance a gateway's clock.
func Hurry(s sdk.Source, wait func(time.Duration)) {
	s.(*source).pause = func(ctx context.Context, d time.Duration) error {
		wait(d)
		return ctx.Err()
	}
}

// Starting are the classes that a drill keeps from starting something.
func Starting() map[string]started { return starting }

// Resemblance makes [resemblance] known to tests.
func Resemblance(diff *archive.Diff, rewritten bool) sdk.Resemblance {
	return resemblance(diff, &policy{}, rewritten)
}

// URIs are the names of classes in policies.
func URIs() map[string]string { return uris }

// LeavesOut and Explains make what a policy of one statement does known to tests.
func LeavesOut(accepted, filtered, domain, class, name string) bool {
	var s statements
	if accepted != "" {
		s.Accepted = []string{accepted}
	}
	if filtered != "" {
		s.Filtered = []string{filtered}
	}
	return s.leavesOut(domain, class, name)
}

func Explains(match, kind, property, value string, variables map[string]string, domain, class, name string, d archive.Property) bool {
	p := policy{statements: statements{Modified: []modification{{match, kind, property, value}}}, variables: variables}
	return p.explains(domain, class, name, d)
}

// DrillPolicy is the policy of a drill of one object, and why it cannot be drilled.
func DrillPolicy(o archive.Object) (text, beyond string) {
	p := drillPolicy([]archive.Object{o})
	return p.String(), p.beyond(o)
}
