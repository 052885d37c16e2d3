// Package pending keeps the obligations: one file for each thing that must be
// undone or done, such as a target to bring back, files to remove from a device,
// or a script to run.
//
// dprun writes a file before the action that must be undone, and removes it after
// it has verified that the action was undone, or that the work was done. The file
// holds everything
// that this needs: neither the journal, nor the plan, nor a free block of the
// disk is required. It holds references to secrets, and never a secret. The files
// decide what must be undone; the journal is only history.
package pending

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dprun/dprun/runner/lifecycle"
)

// version is the version of a file's JSON form.
const version = 1

// Kind says what must be undone or done.
type Kind = lifecycle.ObligationKind

// The kinds of obligations.
const (
	Unquiesce  = lifecycle.OweUnquiesce
	Discard    = lifecycle.OweDiscard
	PostScript = lifecycle.OwePostScript
	DropDomain = lifecycle.OweDrop
	Restore    = lifecycle.OweRestore
)

// Key names an obligation. ID is unique within its task, or within its run if
// Task is empty.
type Key struct {
	Run  string `json:"run"`
	Task string `json:"task,omitempty"`
	ID   string `json:"id"`
}

func (o Key) String() string {
	if o.Task == "" {
		return o.Run + " " + o.ID
	}
	return o.Run + " " + o.Task + " " + o.ID
}

// Obligation is something that must be undone or done outside of dprun.
type Obligation struct {
	Key
	Kind     Kind      `json:"kind"`
	Plan     string    `json:"plan,omitempty"`
	Device   string    `json:"device,omitempty"`
	Identity string    `json:"identity,omitempty"` // of the box, if it is known
	Domain   string    `json:"domain,omitempty"`   // empty: the whole device
	Token    string    `json:"token,omitempty"`    // names the capture whose files a discard removes
	Script   string    `json:"script,omitempty"`   // address of the script in the plan
	Since    time.Time `json:"since"`
	// DueBack is the latest time by which the target should be back; zero: unknown.
	DueBack time.Time `json:"due_back_by,omitzero"`
	// Debt says how the target of an unquiesce is brought back.
	Debt *lifecycle.DebtSpec `json:"debt,omitempty"`
	// Endpoint is the plugin and its configuration, with references to secrets.
	Endpoint json.RawMessage `json:"endpoint,omitempty"`
}

// Where names the target in a sentence.
func (o Obligation) Where() string {
	switch {
	case o.Device == "":
		return "the whole run"
	case o.Domain == "":
		return "device " + o.Device
	}
	return "domain " + o.Domain + " of " + o.Device
}

// Way returns how to bring the target of an unquiesce back. It returns defaults
// if the obligation does not say.
func (o Obligation) Way() lifecycle.DebtSpec {
	if o.Debt != nil {
		return *o.Debt
	}
	return lifecycle.DebtSpec{Device: o.Device, Domain: o.Domain, QuiescedAt: o.Since, Unquiesce: time.Minute, Grace: 3 * time.Minute}
}

// Dir is a directory of pending files.
type Dir struct{ path string }

// Open returns the pending files of a directory. The directory need not exist.
func Open(path string) *Dir { return &Dir{path: path} }

// Damaged is a pending file that cannot be read: something may have to be undone,
// and nobody knows what.
type Damaged struct {
	Path string
	Err  error
}

func (d Damaged) Error() string {
	return fmt.Sprintf("the pending file %s cannot be read: %v; this file said what must be undone: read it, look at the device that it names, and remove the file when everything is in service", d.Path, d.Err)
}

const suffix = ".json"

// Path returns the path of an obligation's file.
func (d *Dir) Path(id Key) string {
	sum := sha256.Sum256([]byte(id.Task + "\x00" + id.ID))
	return filepath.Join(d.path, id.Run+"-"+hex.EncodeToString(sum[:8])+suffix)
}

// Put makes an obligation durable: when it returns, the file survives a crash. It
// replaces a file of the same key.
func (d *Dir) Put(o Obligation) error {
	body, err := json.MarshalIndent(struct {
		V int `json:"v"`
		Obligation
	}{version, o}, "", " ")
	if err != nil {
		return fmt.Errorf("encode what must be undone (%s): %w", o.Key, err)
	}
	f, err := os.CreateTemp(d.path, ".new-*")
	if err != nil {
		return fmt.Errorf("write down what must be undone (%s): %w", o.Key, err)
	}
	_, err = f.Write(append(body, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), d.Path(o.Key))
	}
	if err == nil {
		err = d.sync()
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write down what must be undone (%s): %w", o.Key, err)
	}
	return nil
}

// Remove removes the file of a settled obligation. It returns nil if there is no
// file.
func (d *Dir) Remove(id Key) error {
	err := os.Remove(d.Path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = d.sync()
	}
	if err != nil {
		return fmt.Errorf("remove the pending file of %s: %w", id, err)
	}
	return nil
}

// List reads all files, the oldest obligation first, and names those that it
// cannot read. The error is about the directory.
func (d *Dir) List() (out []Obligation, damaged []Damaged, err error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list what must be undone: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue // still being written
		}
		path := filepath.Join(d.path, e.Name())
		o, err := d.read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // settled meanwhile
		case err != nil:
			damaged = append(damaged, Damaged{path, err})
		default:
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b Obligation) int { return a.Since.Compare(b.Since) })
	return out, damaged, nil
}

func (d *Dir) read(path string) (Obligation, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return Obligation{}, err
	}
	var in struct {
		V int `json:"v"`
		Obligation
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Obligation{}, err
	}
	switch {
	case in.V != version:
		return Obligation{}, fmt.Errorf("it has version %d, and this dprun knows version %d", in.V, version)
	case in.Kind == "" || d.Path(in.Key) != path:
		return Obligation{}, errors.New("it is not the file of the obligation that it names")
	}
	return in.Obligation, nil
}

// errClaimed says that another process is settling the obligation.
var errClaimed = errors.New("another process is doing it now")

// Claim makes this process the only one that settles an obligation, and needs no
// room on the disk. there is false if the obligation has no file.
func (d *Dir) Claim(id Key) (release func(), there bool, err error) {
	for {
		f, err := os.Open(d.Path(id))
		if errors.Is(err, fs.ErrNotExist) {
			return func() {}, false, nil
		}
		if err != nil {
			return nil, true, fmt.Errorf("claim %s: %w", id, err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, true, errClaimed
			}
			return nil, true, fmt.Errorf("claim %s: %w", id, err)
		}
		mine, err1 := f.Stat()
		now, err2 := os.Stat(d.Path(id))
		if err1 == nil && err2 == nil && os.SameFile(mine, now) {
			return func() { _ = f.Close() }, true, nil
		}
		_ = f.Close() // the file was replaced or removed meanwhile
	}
}

func (d *Dir) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
