package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// planText is the plan of every apply; destinations are appended to it.
const planText = `
locals {
  fleet = { for d in jsondecode(file("ready.json")).devices : d.name => d }
}

device "datapower" "gateway" {
  for_each = local.fleet
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_file("${each.key}.password")
    tls { ca_file = each.value.ca_file }
  }
}

plan "bench" {
  destinations = [%s]
  limits {
    parallel   = %d
    per_device = 4
  }
  activity "export_domain" "domains" {
    devices = %s
    domains = %s
    config { persisted = "persisted" }
  }
}
`

// parallel is how many tasks run at a time, as many as the peers run processes.
const parallel = 8

// Every gateway, and the domains of a plan that leaves out "default" only.
var (
	everyDevice      = []string{"*"}
	everyApplication = []string{"app*"}
)

// writePlan writes a plan beside the ready file. references names the
// destinations that blocks defines.
func (g *gateways) writePlan(references, blocks string) (string, error) {
	return g.writePlanOf(everyDevice, everyApplication, references, blocks)
}

// writePlanOf is writePlan for some domains of some gateways.
func (g *gateways) writePlanOf(devices, domains []string, references, blocks string) (string, error) {
	path := filepath.Join(g.dir, "plan.hcl")
	return path, os.WriteFile(path, fmt.Appendf(nil, planText+blocks, references, parallel, listOf(devices), listOf(domains)), 0o600)
}

// listOf writes a list of texts as HCL does.
func listOf(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func fileDestination(dir string) (string, string) {
	return "destination.file.here", fmt.Sprintf("\ndestination \"file\" \"here\" {\n  config { directory = %q }\n}\n", dir)
}

// applied is what one `dprun apply --json` said.
type applied struct {
	began     time.Time
	wall      time.Duration
	succeeded int
	bytes     int64
	first     map[string]time.Time // of each status code, when it was entered first
	last      map[string]time.Time
}

// between is the time from the first entry of one status to the last of another, in seconds.
func (a *applied) between(from, to string) (float64, error) {
	start, ok := a.first[from]
	end, ended := a.last[to]
	if !ok || !ended {
		return 0, fmt.Errorf("the run has no status %s or %s", from, to)
	}
	return end.Sub(start).Seconds(), nil
}

// apply runs a plan with a state directory of its own, as a first run does.
// watch, when not nil, is called with the process once it runs.
func (b *bench) apply(ctx context.Context, plan string, watch func(*exec.Cmd)) (*applied, error) {
	state, err := b.stateDirectory()
	if err != nil {
		return nil, err
	}
	return b.applyIn(ctx, state, plan, watch)
}

// stateDirectory makes an empty one, in which the plugin note is installed.
func (b *bench) stateDirectory() (string, error) {
	state, err := b.mkdir("state")
	if err != nil {
		return "", err
	}
	plugins := filepath.Join(state, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		return "", err
	}
	return state, os.Symlink(b.note, filepath.Join(plugins, filepath.Base(b.note)))
}

// applyIn runs a plan with a state directory. What it says goes to a file: of a
// large run that is more than this program should hold.
func (b *bench) applyIn(ctx context.Context, state, plan string, watch func(*exec.Cmd)) (_ *applied, err error) {
	cmd := command(ctx, nil, b.dprun, "apply", "--yes", "--json", "--state-dir", state, plan)
	said, err := os.Create(filepath.Join(state, "said.json"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, said.Close(), os.Remove(said.Name())) }()
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = said, &complaint
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if watch != nil {
		watch(cmd)
	}
	failed := cmd.Wait()
	a := &applied{began: start, wall: time.Since(start), first: map[string]time.Time{}, last: map[string]time.Time{}}
	if failed != nil {
		out, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("dprun apply: %w: %s%s", failed, tail(complaint.Bytes()), tail(out))
	}
	if _, err := said.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return a, a.read(said)
}

func tail(text []byte) []byte { return text[max(0, len(text)-1500):] }

// read understands the JSON lines.
func (a *applied) read(text io.Reader) error {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 64<<20) // a summary names every task
	for lines.Scan() {
		var l struct {
			Type      string    `json:"type"`
			Code      string    `json:"code"`
			Time      time.Time `json:"time"`
			Succeeded int       `json:"succeeded"`
			Bytes     int64     `json:"bytes"`
			Text      string    `json:"text"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("read dprun's JSON: %w", err)
		}
		switch l.Type {
		case "task_status":
			if _, ok := a.first[l.Code]; !ok {
				a.first[l.Code] = l.Time
			}
			a.last[l.Code] = l.Time
		case "log":
			if strings.HasSuffix(l.Text, "bytes; verifying") { // the source plugin's word when a file is whole
				a.last[captureReceived] = l.Time
			}
		case "summary":
			a.succeeded, a.bytes = l.Succeeded, l.Bytes
		}
	}
	if lines.Err() == nil && a.succeeded == 0 {
		return errors.New("the run's summary names no task that succeeded")
	}
	return lines.Err()
}
