package web

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
)

// look is the shortest pause between two checks of the certificate's files.
const look = time.Minute

// soon is how long before its end the health report begins to mention a certificate.
const soon = 14 * 24 * time.Hour

// certificate is the server's TLS certificate. It is read again when its files change.
// If that fails, for example between the two files of a new pair, the previous one
// stays in use.
type certificate struct {
	now func() time.Time
	log *slog.Logger

	mu     sync.Mutex
	files  access.TLS
	loaded *tls.Certificate
	read   [2]os.FileInfo
	looked time.Time
	wrong  error // why the last reading failed; nil: the certificate is that of the files
}

// unchanged reports whether a file has the same content in two checks.
func unchanged(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// use switches to the certificate in files. If that fails, nothing changes.
func (c *certificate) use(files access.TLS) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(files)
}

// load reads files. The caller holds the lock.
func (c *certificate) load(files access.TLS) error {
	var read [2]os.FileInfo
	var err error
	for i, f := range []string{files.Certificate, files.Key} {
		if read[i], err = os.Stat(f); err != nil {
			return fmt.Errorf("read the server's certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return fmt.Errorf("read the server's certificate %s with the key %s: %w; both are PEM, and belong together", files.Certificate, files.Key, err)
	}
	c.files, c.loaded, c.read, c.looked, c.wrong = files, &pair, read, c.now(), nil
	return nil
}

// get implements GetCertificate of [tls.Config].
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renew()
	return c.loaded, nil
}

// renew checks, once a minute at most, whether the files have changed. The caller holds
// the lock.
func (c *certificate) renew() {
	if c.now().Before(c.looked.Add(look)) {
		return
	}
	c.looked = c.now()
	cert, err := os.Stat(c.files.Certificate)
	key, kerr := os.Stat(c.files.Key)
	if err == nil && kerr == nil && unchanged(c.read[0], cert) && unchanged(c.read[1], key) {
		c.wrong = nil
		return
	}
	if err := c.load(c.files); err != nil {
		if c.wrong == nil {
			c.log.Error("the server's certificate has changed and cannot be read; the one before it is shown", "error", err)
		}
		c.wrong = err
		return
	}
	c.log.Info("the server's certificate was read anew", "until", c.loaded.Leaf.NotAfter)
}

// line reports for /readyz what is wrong with the certificate; empty: nothing.
func (c *certificate) line() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renew()
	left := c.loaded.Leaf.NotAfter.Sub(c.now())
	switch {
	case left <= 0:
		return "certificate: has expired\n"
	case c.wrong != nil:
		return "certificate: cannot be read, the one before it is shown\n"
	case left < soon:
		return fmt.Sprintf("certificate: expires in %d h\n", int(left.Hours()))
	}
	return ""
}
