// Package pending keeps what must be undone, one file for each obligation: a
// target to be brought back, files to be removed from a device, a script to be
// run.
//
// A file is written before the thing is done that it stands for, and removed
// after the undoing was verified. It holds all that is needed to undo without
// the journal, the plan and a free block of the disk, and no secret: only
// references to secrets. The files are the truth of what is owed; the journal
// is history.
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

// version is that of the JSON form of a file.
const version = 1

// Kind is what is owed.
type Kind = lifecycle.ObligationKind

// The kinds of obligations.
const (
	Unquiesce  = lifecycle.OweUnquiesce
	Discard    = lifecycle.OweDiscard
	PostScript = lifecycle.OwePostScript
	DropDomain = lifecycle.OweDrop
	Restore    = lifecycle.OweRestore
)

// Key names an obligation: ID is unique within its task, or within its run
// when Task is empty.
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

// Obligation is something owed to the outside world until it is done.
type Obligation struct {
	Key
	Kind     Kind      `json:"kind"`
	Plan     string    `json:"plan,omitempty"`
	Device   string    `json:"device,omitempty"`
	Identity string    `json:"identity,omitempty"` // of the box, where it is known
	Domain   string    `json:"domain,omitempty"`   // empty: the whole device
	Token    string    `json:"token,omitempty"`    // of a discard
	Script   string    `json:"script,omitempty"`   // its address
	Since    time.Time `json:"since"`
	// DueBack is when the target should be back at the latest; zero: not known.
	DueBack time.Time `json:"due_back_by,omitzero"`
	// Debt says how the target of an unquiesce comes back.
	Debt *lifecycle.DebtSpec `json:"debt,omitempty"`
	// Endpoint is the plugin and its configuration, with references of secrets.
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

// Way is how the target of an unquiesce comes back. An obligation that does
// not say gets the defaults.
func (o Obligation) Way() lifecycle.DebtSpec {
	if o.Debt != nil {
		return *o.Debt
	}
	return lifecycle.DebtSpec{Device: o.Device, Domain: o.Domain, QuiescedAt: o.Since, Unquiesce: time.Minute, Grace: 3 * time.Minute}
}

// Dir is the directory of the files.
type Dir struct{ path string }

// Open returns the pending files of a directory, which need not be there.
func Open(path string) *Dir { return &Dir{path: path} }

// Damaged is a file that cannot be read: something may be owed, and what is unknown.
type Damaged struct {
	Path string
	Err  error
}

func (d Damaged) Error() string {
	return fmt.Sprintf("the pending file %s cannot be read: %v; something may have to be undone, and this file said what: read it, look at the device that it names, and remove the file when all is in service", d.Path, d.Err)
}

const suffix = ".json"

// Path is the file of an obligation.
func (d *Dir) Path(id Key) string {
	sum := sha256.Sum256([]byte(id.Task + "\x00" + id.ID))
	return filepath.Join(d.path, id.Run+"-"+hex.EncodeToString(sum[:8])+suffix)
}

// Put makes an obligation durable: when it returns, the file survives a crash.
// It replaces a file of the same ID.
func (d *Dir) Put(o Obligation) error {
	body, err := json.MarshalIndent(struct {
		V int `json:"v"`
		Obligation
	}{version, o}, "", " ")
	if err != nil {
		return fmt.Errorf("encode what is owed (%s): %w", o.Key, err)
	}
	f, err := os.CreateTemp(d.path, ".new-*")
	if err != nil {
		return fmt.Errorf("write down what is owed (%s): %w", o.Key, err)
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
		return fmt.Errorf("write down what is owed (%s): %w", o.Key, err)
	}
	return nil
}

// Remove says that an obligation is done. One that is not there is.
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

// List reads every file, the oldest obligation first, and names those that
// cannot be read. The error is that of the directory.
func (d *Dir) List() (out []Obligation, damaged []Damaged, err error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list what is owed: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue // being written
		}
		path := filepath.Join(d.path, e.Name())
		o, err := d.read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // done meanwhile
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

// errClaimed says that another process is at it.
var errClaimed = errors.New("another process is doing it just now")

// Claim makes this process the only one that settles an obligation. It takes
// no room on the disk. There is false when the obligation has no file.
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
		_ = f.Close() // it was replaced or removed meanwhile
	}
}

func (d *Dir) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
