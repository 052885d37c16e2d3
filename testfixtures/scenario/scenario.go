package scenario

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"

	"github.com/dprun/dprun/runner/status"
)

// Scenario is one file, read.
type Scenario struct {
	File string
	// Code is the status code that the scenario is about: the file's name up
	// to the first dot.
	Code   string
	About  string
	Expect Expect
	steps  steps
	parts  []txtar.File
	files  map[string][]byte // the parts by name
}

// Expect is expect.hcl.
type Expect struct {
	// Exit is the exit code of the last command.
	Exit int `hcl:"exit,optional"`
	// Code is the last code of the last run itself; without it, it is not looked at.
	Code string `hcl:"code,optional"`
	// Down lists the domains, as device/domain, that are not in service at the end.
	Down []string `hcl:"down,optional"`
	// Left is how many files of secure backups are left on the gateways.
	Left int `hcl:"left,optional"`
	// Stored is how many files stand at the destination of [Site].
	Stored *int           `hcl:"stored,optional"`
	Tasks  []ExpectedTask `hcl:"task,block"`
}

// ExpectedTask is what is expected of one task.
type ExpectedTask struct {
	ID string `hcl:"id,label"`
	// Plan and Run say which run: counted from 1 in the order of their
	// beginning, of those of the plan; the last if left out.
	Plan string `hcl:"plan,optional"`
	Run  int    `hcl:"run,optional"`
	// From is the code up to which the history goes as nearly every one does: a
	// code of beginning.
	From string `hcl:"from,optional"`
	// History is every code, in order; in the file, those that follow From. The
	// deciding failure stands twice: when it was decided, and at the end.
	History []string `hcl:"history,optional"`
	// Message is a part of the last message.
	Message string `hcl:"message,optional"`
	// Warnings are parts of the warnings beside the last message, in their
	// order; without any, they are not looked at.
	Warnings []string `hcl:"warnings,optional"`
	// Unfinished: the last code is not final, as it could not be written down.
	Unfinished bool `hcl:"unfinished,optional"`
}

// beginning is how a task begins that nothing stops.
func beginning() []string {
	var out []string
	for _, c := range []status.Code{status.WaitingForPreValidation, status.ReadyForExecution, status.SentToMDB, status.ExecutionStarted, status.PreChecksStarted} {
		out = append(out, string(c))
	}
	return out
}

// steps is steps.hcl.
type steps struct {
	Servers  []server    `hcl:"nfs,block"`
	SFTP     []sshServer `hcl:"sftp,block"`
	Commands []command   `hcl:"dprun,block"`
}

// server is a real NFS server; NAME.json tells host, ports and export.
type server struct {
	Name string `hcl:"name,label"`
	Size int64  `hcl:"size,optional"` // of its file system in bytes; 0: a directory
}

// sshServer is a real OpenSSH server; NAME.json tells host, port, user and
// directory, and the files of the user's key and of the server's.
type sshServer struct {
	Name string   `hcl:"name,label"`
	Deny []string `hcl:"deny,optional"` // requests that it refuses, by their names in sftp-server(8)
}

// command is one dprun. They run one after the other.
type command struct {
	Name string   `hcl:"name,label"`
	Args []string `hcl:"args,optional"` // default: apply
	Plan string   `hcl:"plan,optional"` // which plan of the file
	// Beside: it is begun by a step (start = NAME) and runs beside the others.
	Beside bool `hcl:"beside,optional"`
	// Process: it is a process of its own. The whole scenario then goes by the wall clock.
	Process bool `hcl:"process,optional"`
	// Staging puts the staging area of the process on a file system of so many bytes.
	Staging int64 `hcl:"staging,optional"`
	// Space puts the whole state directory of the process on a file system of
	// so many bytes, which is gone with it: what was published is all there is.
	Space int64 `hcl:"space,optional"`
	// Older: another release, whose events this one does not replay, has made
	// the runs that are unfinished when the command begins.
	Older bool `hcl:"older,optional"`
	// State is another state directory than the one that all commands share.
	State string `hcl:"state,optional"`
	// Exit is the exit code of a command that is not the last one. A process
	// that was killed has -1.
	Exit int `hcl:"exit,optional"`
	// Owes are the targets, as device/domain or device, that dprun owed lists.
	Owes []string `hcl:"owes,optional"`
	At   []moment `hcl:"at,block"`
	Rest hcl.Body `hcl:",remain"` // done before it begins
	deed deed
}

// moment is when a task (or, with an empty name, the run) enters a status. What is
// to happen then happens before the runner acts on the status.
type moment struct {
	Task string   `hcl:"task,label"`
	Code string   `hcl:"code,label"`
	Rest hcl.Body `hcl:",remain"`
	deed deed
}

// deed is something that happens to the world around dprun.
type deed struct {
	// Request lets it happen only when a gateway has got a request, such as
	// "do-action/SecureBackup"; the run goes on meanwhile.
	Request string    `hcl:"request,optional"`
	Edits   cty.Value `hcl:"edits,optional"`   // of gateways, as dpsim's control takes them
	Faults  cty.Value `hcl:"faults,optional"`  // set on gateways
	Clear   cty.Value `hcl:"clear,optional"`   // faults that end
	Advance string    `hcl:"advance,optional"` // time passes
	Signal  string    `hcl:"signal,optional"`  // to the command: SIGINT, SIGTERM, SIGHUP, SIGKILL
	Start   string    `hcl:"start,optional"`   // the name of another command
}

// Load reads one scenario.
func Load(path string) (*Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a scenario: %w", err)
	}
	archive := txtar.Parse(text)
	about, _, _ := strings.Cut(string(archive.Comment), siteMark)
	s := &Scenario{File: filepath.Base(path), About: strings.TrimSpace(about), parts: archive.Files, files: map[string][]byte{}}
	s.Code, _, _ = strings.Cut(s.File, ".")
	for _, f := range archive.Files {
		s.files[f.Name] = f.Data
	}
	for _, name := range []string{"plan.hcl", "fleet.hcl", "expect.hcl"} {
		if s.files[name] == nil {
			return nil, fmt.Errorf("scenario %s: there is no part %s", s.File, name)
		}
	}
	if err := hclsimple.Decode("expect.hcl", s.files["expect.hcl"], nil, &s.Expect); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.File, err)
	}
	for i := range s.Expect.Tasks {
		t := &s.Expect.Tasks[i]
		if t.From == "" {
			continue
		}
		begun := beginning()
		n := slices.Index(begun, t.From)
		if n < 0 {
			return nil, fmt.Errorf("scenario %s: from = %q: a history can be shortened up to %s", s.File, t.From, strings.Join(begun, ", "))
		}
		t.History = append(begun[:n+1], t.History...)
	}
	if err := s.readSteps(); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.File, err)
	}
	return s, nil
}

func (s *Scenario) readSteps() error {
	if text := s.files["steps.hcl"]; text != nil {
		if err := hclsimple.Decode("steps.hcl", text, nil, &s.steps); err != nil {
			return err
		}
	}
	if len(s.steps.Commands) == 0 {
		s.steps.Commands = []command{{Name: "apply"}}
	}
	for i := range s.steps.Commands {
		c := &s.steps.Commands[i]
		if len(c.Args) == 0 {
			c.Args = []string{"apply"}
		}
		if err := decodeDeed(c.Rest, &c.deed); err != nil {
			return err
		}
		for j := range c.At {
			if err := decodeDeed(c.At[j].Rest, &c.At[j].deed); err != nil {
				return err
			}
		}
	}
	return nil
}

func decodeDeed(body hcl.Body, d *deed) error {
	if body == nil {
		return nil
	}
	if ds := gohcl.DecodeBody(body, nil, d); ds.HasErrors() {
		return ds
	}
	return nil
}

// byTheWall reports whether the scenario cannot be played in moved time.
func (s *Scenario) byTheWall() bool {
	return slices.ContainsFunc(s.steps.Commands, func(c command) bool { return c.Process })
}

// LoadAll reads every scenario of a directory, by name.
func LoadAll(dir string) ([]*Scenario, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, fmt.Errorf("list the scenarios: %w", err)
	}
	var out []*Scenario
	for _, p := range paths {
		s, err := Load(p)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// write puts the scenario's files into a directory.
func (s *Scenario) write(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(string(s.files[name]), "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(path, s.files[name], mode); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
