package backups

import (
	"bytes"
	"cmp"
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

// Suffix is the end of every manifest's name.
const Suffix = ".dprun.json"

// AgeSuffix is the end of every encrypted file's name.
const AgeSuffix = ".age"

// MaxManifest is the largest size of a manifest, in bytes.
const MaxManifest = 8 << 20

// The limits of a manifest's content.
const (
	maxFiles = 100_000
	maxSize  = 1 << 50 // bytes, for a file and for a set
	maxText  = 4096    // bytes, for a name or a path
)

// Manifest lists the files of a set and stands beside them. It is stored last, so
// its presence means that the set is whole. With it, a destination can be read
// without the journal.
type Manifest struct {
	Version int    `json:"version"`         // version of this form: 1
	Dprun   string `json:"dprun"`           // version of the dprun that wrote it
	Set     string `json:"set,omitempty"`   // see ID; older versions left it out
	State   string `json:"state,omitempty"` // ID of the state directory that stored it; older versions left it out
	Path    string `json:"path,omitempty"`  // its own path, relative to the destination; older versions left it out
	Run     string `json:"run"`
	Plan    string `json:"plan"`
	Task    string `json:"task"`

	Activity string `json:"activity"`
	Type     string `json:"type"` // of the activity
	Device   string `json:"device"`
	Domain   string `json:"domain,omitempty"`
	Stamp    string `json:"stamp"`
	// Captured is the stamp as a time: the start of the task.
	Captured  time.Time       `json:"captured,omitzero"`
	Facts     json.RawMessage `json:"facts,omitempty"` // of the device, an sdk.Facts
	Verified  string          `json:"verified"`        // how the destination says that it verified every copy
	Durable   bool            `json:"durable"`         // the destination made every copy durable
	ModeKept  bool            `json:"mode_kept"`       // every copy has the requested file mode
	Artifacts []File          `json:"artifacts"`
	Warnings  []string        `json:"warnings,omitempty"`
	// Withheld names files that the device has and does not give out: keys,
	// certificates and secrets. A restore needs them from elsewhere.
	Withheld []string `json:"withheld,omitempty"`
	// Objects say what was up at the capture, or right before a quiesce; a restore
	// must bring it up again. There is an entry for each domain that was read, and
	// none for a whole device that was not quiesced.
	Objects []Objects `json:"objects,omitempty"`
}

// Objects are the states of a domain's objects. Each is written "Class name", in
// lexical order.
type Objects struct {
	Domain   string   `json:"domain,omitempty"`   // empty: the domain is not known
	Up       []string `json:"up,omitempty"`       // services and handlers that were up
	Down     []string `json:"down,omitempty"`     // objects of any kind that were down, with the device's reason
	Disabled []string `json:"disabled,omitempty"` // services and handlers that an administrator has disabled
	Unread   string   `json:"unread,omitempty"`   // why the states are unknown; empty: they were read
}

// File is one file of a set.
type File struct {
	File    string `json:"file"` // relative to the manifest's directory
	Variant string `json:"variant"`
	Size    int64  `json:"size"`   // bytes
	SHA256  string `json:"sha256"` // lower-case hex
	// Encrypted says that the file is encrypted with age. Then Size and SHA256 are
	// those of the encrypted file, and Plain describes the captured one. Nil: it is
	// not encrypted.
	Encrypted *Encrypted `json:"encrypted,omitempty"`
	Plain     *Content   `json:"plain,omitempty"`
}

// Encrypted names the recipients that can decrypt a file.
type Encrypted struct {
	Recipients []string `json:"recipients"` // fingerprints of their public keys, see recipient.Fingerprint
}

// Content is the size and the hash of a file's content.
type Content struct {
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Copy returns the copy that the manifest describes. body holds the manifest's
// bytes.
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

// errCut says that only the beginning of a manifest is there.
var errCut = errors.New("it ends too early")

// ErrNewer says that this version does not know the form of a manifest.
var ErrNewer = errors.New("a newer dprun wrote it")

// ParseManifest reads a manifest that was found at a path of a destination. It
// trusts nothing: the content must be possible, must not contradict itself, and
// must fit the place. ParseManifest fills in Set, Captured and Path if an older
// version left them out.
func ParseManifest(body []byte, at string) (*Manifest, error) {
	if len(body) > MaxManifest {
		return nil, fmt.Errorf("it has more than %d bytes", MaxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var m Manifest
	if err := d.Decode(&m); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errCut
	} else if err != nil {
		return nil, fmt.Errorf("it is not the JSON of a manifest: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has text after its JSON")
	}
	switch {
	case m.Version > 1:
		return nil, fmt.Errorf("%w: version %d", ErrNewer, m.Version)
	case m.Version < 1:
		return nil, errors.New("it has no version")
	}
	m.Path = cmp.Or(m.Path, at)
	if m.Path != at {
		return nil, fmt.Errorf("it says that its place is %q", shorten(m.Path))
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
	// Withheld and Warnings are texts of a device or a server. They may hold
	// anything, because they are only shown.
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

// identify checks the set's ID and time, or fills them in.
func (m *Manifest) identify() error {
	id, err := ID(m.Run, m.Task, m.Stamp)
	if err != nil {
		return err
	}
	if m.Set != "" && m.Set != id {
		return fmt.Errorf("it says that its set is %q, and its run, task and stamp make %s", shorten(m.Set), id)
	}
	at, _ := ParseStamp(m.Stamp) // ID has read it already
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

// Opened returns the file as it was captured: itself, or the content of an
// encrypted file.
func (f File) Opened() File {
	if f.Encrypted == nil || f.Plain == nil {
		return f
	}
	return File{File: strings.TrimSuffix(f.File, AgeSuffix), Variant: f.Variant, Size: f.Plain.Size, SHA256: f.Plain.SHA256}
}

// maxRecipients limits the recipients of a file.
const maxRecipients = 1000

// encryption checks the encryption fields of a file.
func (f File) encryption() error {
	switch {
	case f.Encrypted == nil && f.Plain == nil:
		return nil
	case f.Encrypted == nil || f.Plain == nil || len(f.Encrypted.Recipients) == 0 || len(f.Encrypted.Recipients) > maxRecipients:
		return errors.New("is encrypted, and the manifest does not say for whom, or what it holds")
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

// local refuses a path that does not lie below its directory, or that has more
// than one spelling.
func local(p string) error {
	if err := plain(p); err != nil {
		return err
	}
	if p == "" || p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") || strings.Contains(p, `\`) {
		return errors.New("is not below its directory, or has an unusual spelling")
	}
	return nil
}

// plain refuses a text that a terminal would not show as it is.
func plain(text string) error {
	switch {
	case len(text) > maxText:
		return fmt.Errorf("is longer than %d bytes", maxText)
	case !utf8.ValidString(text):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(text, schema.Steers):
		return errors.New("has control characters for a terminal")
	}
	return nil
}

// shorten limits the length of a quoted text, so that a message stays readable.
func shorten(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
