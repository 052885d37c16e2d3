package backups

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/sdk/schema"
)

// Suffix ends the name of every manifest.
const Suffix = ".dprun.json"

// AgeSuffix ends the name of every encrypted file of a set.
const AgeSuffix = ".age"

// MaxManifest is how many bytes a manifest may have.
const MaxManifest = 8 << 20

// The bounds of what a manifest says.
const (
	maxFiles = 100_000
	maxSize  = 1 << 50 // bytes, of a file and of a set
	maxText  = 4096    // bytes, of a name or a path
)

// Manifest stands beside each set and is stored last: its presence means that
// the set is whole. A destination can be read without the journal.
type Manifest struct {
	Version int    `json:"version"`         // of this form: 1
	Dprun   string `json:"dprun"`           // the version that wrote it
	Set     string `json:"set,omitempty"`   // see ID; manifests of older versions have none
	State   string `json:"state,omitempty"` // ID of the state directory that it comes from; likewise
	Path    string `json:"path,omitempty"`  // its own, relative to the destination; likewise
	Run     string `json:"run"`
	Plan    string `json:"plan"`
	Task    string `json:"task"`

	Activity string `json:"activity"`
	Type     string `json:"type"` // of the activity
	Device   string `json:"device"`
	Domain   string `json:"domain,omitempty"`
	Stamp    string `json:"stamp"`
	// Captured is the stamp as a time: when the task began.
	Captured  time.Time       `json:"captured,omitzero"`
	Facts     json.RawMessage `json:"facts,omitempty"` // of the device, an sdk.Facts
	Verified  string          `json:"verified"`        // how every copy was verified, as the destination reported
	Durable   bool            `json:"durable"`         // the destination made every copy durable
	ModeKept  bool            `json:"mode_kept"`       // every copy has the file mode that it was to have
	Artifacts []File          `json:"artifacts"`
	Warnings  []string        `json:"warnings,omitempty"`
	// Withheld names the files that the device has and does not give out: keys,
	// certificates and secrets, which a restore needs from elsewhere.
	Withheld []string `json:"withheld,omitempty"`
	// Objects say what was up when the set was captured, or right before a quiesce: a restore is to bring it
	// up again. There is an entry for each domain that was looked at; none for a whole device that was not quiesced.
	Objects []Objects `json:"objects,omitempty"`
}

// Objects are the states of a domain's objects: each "Class name", in lexical order.
type Objects struct {
	Domain   string   `json:"domain,omitempty"`   // empty: of a domain that cannot be told
	Up       []string `json:"up,omitempty"`       // services and handlers that were up
	Down     []string `json:"down,omitempty"`     // objects of whatever kind that were not, and why as the device said it
	Disabled []string `json:"disabled,omitempty"` // services and handlers that an administrator has switched off
	Unread   string   `json:"unread,omitempty"`   // why nothing is known; empty: it was read
}

// File is one file of a set.
type File struct {
	File    string `json:"file"` // relative to the manifest's directory
	Variant string `json:"variant"`
	Size    int64  `json:"size"`   // bytes
	SHA256  string `json:"sha256"` // lower-case hex
	// Encrypted says that the file is encrypted with age. Size and SHA256 are those of what
	// stands there; Plain is what was captured. Nil: it is not encrypted.
	Encrypted *Encrypted `json:"encrypted,omitempty"`
	Plain     *Content   `json:"plain,omitempty"`
}

// Encrypted says for whom a file is encrypted.
type Encrypted struct {
	Recipients []string `json:"recipients"` // what names their public keys, see recipient.Fingerprint
}

// Content is what a file holds.
type Content struct {
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Copy is what the manifest says of a copy of its set; body are its bytes.
func (m *Manifest) Copy(body []byte) Copy {
	sum := sha256.Sum256(body)
	c := Copy{Set: m.Set, Plan: m.Plan, Path: m.Path, SHA256: hex.EncodeToString(sum[:]), Run: m.Run, Task: m.Task, Device: m.Device, Domain: m.Domain,
		Activity: m.Activity, Type: m.Type, Stamp: m.Stamp, Captured: m.Captured, Files: m.Artifacts, Withheld: m.Withheld, Warnings: m.Warnings,
		Facts: m.Facts, Verified: m.Verified, Durable: m.Durable, StateID: m.State, State: Whole}
	for _, f := range m.Artifacts {
		c.Bytes += f.Size
	}
	var facts struct {
		Identity string `json:"identity"`
	}
	if json.Unmarshal(m.Facts, &facts) == nil {
		c.Identity = facts.Identity
	}
	return c
}

// errCut is a manifest of which only the beginning is there.
var errCut = errors.New("it ends too early")

// ErrNewer is a manifest of a form that this version does not know.
var ErrNewer = errors.New("it is of a newer dprun")

// ParseManifest reads a manifest that was found at a path of a destination. It
// trusts nothing: what the manifest says must be possible, and must agree with
// itself and with the place where it was found. Set, Captured and Path are
// filled in where an older version has left them out.
func ParseManifest(body []byte, at string) (*Manifest, error) {
	if len(body) > MaxManifest {
		return nil, fmt.Errorf("it has more than %d bytes", MaxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var m Manifest
	if err := d.Decode(&m); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errCut
	} else if err != nil {
		return nil, fmt.Errorf("it is not JSON of a manifest: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON")
	}
	switch {
	case m.Version > 1:
		return nil, fmt.Errorf("%w: version %d", ErrNewer, m.Version)
	case m.Version < 1:
		return nil, errors.New("it has no version")
	}
	if m.Path == "" {
		m.Path = at
	}
	if m.Path != at {
		return nil, fmt.Errorf("it says that it stands at %q", shorten(m.Path))
	}
	if err := local(m.Path); err != nil {
		return nil, fmt.Errorf("its path %w", err)
	}
	if err := m.names(); err != nil {
		return nil, err
	}
	if err := m.identify(); err != nil {
		return nil, err
	}
	return &m, m.files()
}

// names checks the texts.
func (m *Manifest) names() error {
	for what, text := range map[string]string{"run": m.Run, "task": m.Task, "device": m.Device, "activity": m.Activity, "type": m.Type} {
		if text == "" {
			return fmt.Errorf("it names no %s", what)
		}
	}
	// What a device or a server has said, which is what is withheld and the warnings,
	// may hold anything: it is only shown.
	for _, t := range []string{m.Dprun, m.State, m.Run, m.Plan, m.Task, m.Activity, m.Type, m.Device, m.Domain} {
		if err := plain(t); err != nil {
			return fmt.Errorf("%q %w", shorten(t), err)
		}
	}
	if m.Verified != "read_back" && m.Verified != "sent" {
		return fmt.Errorf("it does not say how the set was verified: %q", shorten(m.Verified))
	}
	return nil
}

// identify checks the set's ID and its time, or fills them in.
func (m *Manifest) identify() error {
	id, err := ID(m.Run, m.Task, m.Stamp)
	if err != nil {
		return err
	}
	if m.Set != "" && m.Set != id {
		return fmt.Errorf("it says that its set is %q, and its run, task and stamp make %s", shorten(m.Set), id)
	}
	at, _ := ParseStamp(m.Stamp) // ID has read it
	if !m.Captured.IsZero() && !m.Captured.Equal(at) {
		return fmt.Errorf("it says that it was captured at %s, and its stamp is %s", m.Captured.Format(time.RFC3339Nano), m.Stamp)
	}
	m.Set, m.Captured = id, at
	return nil
}

func (m *Manifest) files() error {
	switch n := len(m.Artifacts); {
	case n == 0:
		return errors.New("it names no file")
	case n > maxFiles:
		return fmt.Errorf("it names %d files, more than %d", n, maxFiles)
	}
	seen := map[string]bool{}
	var total int64
	for _, f := range m.Artifacts {
		name := fmt.Sprintf("its file %q", shorten(f.File))
		if err := local(f.File); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		if err := plain(f.Variant); err != nil {
			return fmt.Errorf("%s: its variant %w", name, err)
		}
		opened := f.Opened()
		switch {
		case isManifest(f.File), isManifest(opened.File):
			return fmt.Errorf("%s is a manifest, or the signature of one", name)
		case evidence.Is(path.Join(path.Dir(m.Path), f.File)):
			return fmt.Errorf("%s is a record of evidence, or the signature of one", name)
		case seen[f.File] || seen[opened.File]:
			return fmt.Errorf("%s is named twice", name)
		case !isSHA256(f.SHA256) || !isSHA256(opened.SHA256):
			return fmt.Errorf("%s has no SHA-256", name)
		case f.Size < 0 || f.Size > maxSize || f.Size > maxSize-total || opened.Size < 0 || opened.Size > f.Size:
			return fmt.Errorf("%s has an impossible size: %d", name, f.Size)
		}
		if err := f.encryption(); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		seen[f.File], seen[opened.File] = true, true
		total += f.Size
	}
	return nil
}

// Opened is the file as it was captured: itself, or what is encrypted in it.
func (f File) Opened() File {
	if f.Encrypted == nil || f.Plain == nil {
		return f
	}
	return File{File: strings.TrimSuffix(f.File, AgeSuffix), Variant: f.Variant, Size: f.Plain.Size, SHA256: f.Plain.SHA256}
}

// maxRecipients bounds for how many a file may be encrypted.
const maxRecipients = 1000

// encryption checks what is said of a file that is encrypted.
func (f File) encryption() error {
	switch {
	case f.Encrypted == nil && f.Plain == nil:
		return nil
	case f.Encrypted == nil || f.Plain == nil || len(f.Encrypted.Recipients) == 0 || len(f.Encrypted.Recipients) > maxRecipients:
		return errors.New("is encrypted, and it is not said for whom and what")
	case len(f.File) == len(AgeSuffix) || !strings.HasSuffix(f.File, AgeSuffix):
		return errors.New("is encrypted, and its name does not say so")
	}
	for _, r := range f.Encrypted.Recipients {
		if err := plain(r); err != nil {
			return fmt.Errorf("is encrypted for somebody whose name %w", err)
		}
	}
	return nil
}

func isManifest(name string) bool {
	return strings.HasSuffix(name, Suffix) || strings.HasSuffix(name, Suffix+signing.Suffix)
}

func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && strings.ToLower(text) == text
}

// local refuses a path that is not below the directory that it is relative to,
// or is written in more than one way.
func local(p string) error {
	if err := plain(p); err != nil {
		return err
	}
	if p == "" || p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") || strings.Contains(p, `\`) {
		return errors.New("does not lie below its directory, or is written oddly")
	}
	return nil
}

// plain refuses what would not be shown as it is.
func plain(text string) error {
	switch {
	case len(text) > maxText:
		return fmt.Errorf("is longer than %d bytes", maxText)
	case !utf8.ValidString(text):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(text, schema.Steers):
		return errors.New("has characters that steer a terminal")
	}
	return nil
}

// shorten keeps a message readable, whatever the text is that it quotes.
func shorten(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
