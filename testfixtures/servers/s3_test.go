//go:build builtservers

package servers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// TestBuiltS3PluginServesARun backs a gateway up to rclone's S3 server through
// examples/plugins/s3. Its tests against each server are in its own module.
func TestBuiltS3PluginServesARun(t *testing.T) {
	t.Parallel()
	const key, secret = "dprun-access", "dprun/secret+key-of-the-tests"
	built := os.Getenv("DPRUN_BUILT_SERVERS")
	base, data := openDir(t)
	bucket := filepath.Join(data, "backups")
	need.Done(t, os.Mkdir(bucket, 0o755))
	packed := t.TempDir()
	program := need.Value(os.ReadFile(filepath.Join(built, "dprun-plugin-s3")))(t)
	need.Done(t, os.WriteFile(filepath.Join(packed, "dprun-plugin-s3"), program, 0o755))
	addr := freeAddr(t)
	startDAV(t, "rclone serve s3", addr, filepath.Join(base, "log"), filepath.Join(built, "rclone"), "serve", "s3", "--config", "/dev/null", "--cache-dir", filepath.Join(base, "cache"),
		"--addr", addr, "--auth-key", key+","+secret, data)
	servesARun(t, "s3", packed, secret, bucket, fmt.Sprintf(`
    endpoint   = "http://%s"
    bucket     = "backups"
    prefix     = "gateways"
    access_key = %q
    secret_key = secret_file("secret")
`, addr, key))
}
