package datapower

import (
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
