package scenario

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// siteMark stands before the lines of a file's header that show its gateways.
const siteMark = "\nSite:\n"

// Text is the file of the scenario: its header with the site, and what is
// expected, in one form. All other parts are as they were read.
func (s *Scenario) Text() ([]byte, error) {
	site, err := s.site()
	if err != nil {
		return nil, err
	}
	a := txtar.Archive{Comment: []byte(s.About + "\n" + siteMark + site + "\n")}
	for _, f := range s.parts {
		if f.Name == "expect.hcl" {
			f.Data = s.Expect.text()
		}
		a.Files = append(a.Files, f)
	}
	return txtar.Format(&a), nil
}

// Update makes the scenario expect what happened. It leaves alone which texts
// are looked for, and whether the run's code and the destination are looked
// at. A scenario without any task gets all tasks of the last run.
func (s *Scenario) Update(o *Outcome) error {
	last := len(s.steps.Commands) - 1
	for i := range s.steps.Commands[:last] {
		if err := s.updateStep(&s.steps.Commands[i], o); err != nil {
			return err
		}
	}
	e := &s.Expect
	e.Exit, e.Down, e.Left = o.Exits[s.steps.Commands[last].Name], slices.Sorted(slices.Values(o.Down)), len(o.Left)
	fresh := len(e.Tasks) == 0 && len(o.Runs) > 0
	if fresh {
		for _, id := range slices.Sorted(maps.Keys(o.Runs[len(o.Runs)-1].Histories)) {
			if id != "" {
				e.Tasks = append(e.Tasks, ExpectedTask{ID: id})
			}
		}
	}
	if n := len(o.Stored); fresh || e.Stored != nil {
		e.Stored = &n
	}
	if fresh || e.Code != "" && len(o.Runs) > 0 {
		if h := codes(o.Runs[len(o.Runs)-1].Histories[""]); len(h) > 0 {
			e.Code = h[len(h)-1]
		}
	}
	for i := range e.Tasks {
		h, _, err := e.Tasks[i].seen(o)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", s.File, err)
		}
		e.Tasks[i].History = codes(h)
		e.Tasks[i].Unfinished = !h[len(h)-1].Final
	}
	return nil
}

// updateStep does it for a command that is not the last one.
func (s *Scenario) updateStep(c *command, o *Outcome) error {
	exit, owes := o.Exits[c.Name], o.Owes[c.Name]
	if exit == c.Exit && slices.Equal(owes, c.Owes) {
		return nil
	}
	i := slices.IndexFunc(s.parts, func(f txtar.File) bool { return f.Name == "steps.hcl" })
	f, ds := hclwrite.ParseConfig(s.parts[i].Data, "steps.hcl", hcl.InitialPos)
	if ds.HasErrors() {
		return fmt.Errorf("scenario %s: %w", s.File, ds)
	}
	block := f.Body().FirstMatchingBlock("dprun", []string{c.Name}).Body()
	c.Exit, c.Owes = exit, owes
	set(block, "exit", cty.NumberIntVal(int64(exit)), exit != 0)
	set(block, "owes", texts(owes), len(owes) > 0)
	s.parts[i].Data = hclwrite.Format(f.Bytes())
	s.files["steps.hcl"] = s.parts[i].Data
	return nil
}

// set writes an argument, or removes it where it says nothing.
func set(b *hclwrite.Body, name string, v cty.Value, says bool) {
	if !says {
		b.RemoveAttribute(name)
		return
	}
	b.SetAttributeValue(name, v)
}

func texts(list []string) cty.Value {
	var out []cty.Value
	for _, s := range list {
		out = append(out, cty.StringVal(s))
	}
	if out == nil {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(out)
}

// text is expect.hcl.
func (e Expect) text() []byte {
	f := hclwrite.NewEmptyFile()
	b := f.Body()
	set(b, "exit", cty.NumberIntVal(int64(e.Exit)), true)
	set(b, "code", cty.StringVal(e.Code), e.Code != "")
	set(b, "down", texts(e.Down), len(e.Down) > 0)
	set(b, "left", cty.NumberIntVal(int64(e.Left)), e.Left != 0)
	if e.Stored != nil {
		set(b, "stored", cty.NumberIntVal(int64(*e.Stored)), true)
	}
	for _, t := range e.Tasks {
		b.AppendNewline()
		t.write(b.AppendNewBlock("task", []string{t.ID}).Body())
	}
	return hclwrite.Format(f.Bytes())
}

func (t ExpectedTask) write(b *hclwrite.Body) {
	set(b, "plan", cty.StringVal(t.Plan), t.Plan != "")
	set(b, "run", cty.NumberIntVal(int64(t.Run)), t.Run != 0)
	from, rest := "", t.History
	for _, code := range beginning() {
		if len(rest) == 0 || rest[0] != code {
			break
		}
		from, rest = code, rest[1:]
	}
	set(b, "from", cty.StringVal(from), from != "")
	var list strings.Builder
	for _, code := range rest {
		fmt.Fprintf(&list, "\n%q,", code)
	}
	lines, _ := hclwrite.ParseConfig(fmt.Appendf(nil, "history = [%s\n]\n", list.String()), "", hcl.InitialPos)
	b.SetAttributeRaw("history", lines.Body().GetAttribute("history").Expr().BuildTokens(nil))
	set(b, "message", cty.StringVal(t.Message), t.Message != "")
	set(b, "warnings", texts(t.Warnings), len(t.Warnings) > 0)
	set(b, "unfinished", cty.True, t.Unfinished)
}

// site shows the gateways, their domains and what is wrong with them from the
// beginning, a line each.
func (s *Scenario) site() (string, error) {
	var fleet dpsim.Scenario
	if err := hclsimple.Decode("fleet.hcl", s.files["fleet.hcl"], nil, &fleet); err != nil {
		return "", fmt.Errorf("scenario %s: %w", s.File, err)
	}
	var out bytes.Buffer
	for _, d := range fleet.Devices {
		fmt.Fprintf(&out, "  gateway %s", d.Name)
		if d.Count > 0 {
			fmt.Fprintf(&out, "-1 to -%d", d.Count)
		}
		fmt.Fprintf(&out, "%s: %s\n", inBrackets(d.Firmware, d.Platform, word(d.BackupMode != "", "backup mode "+d.BackupMode), word(d.Down, "down")), domains(d))
		for _, f := range d.Faults {
			f.Device = d.Name
			fmt.Fprintf(&out, "  fault %s\n", fault(f))
		}
	}
	for _, f := range fleet.Faults {
		fmt.Fprintf(&out, "  fault %s\n", fault(f))
	}
	return out.String(), nil
}

func domains(d appliance.Spec) string {
	names := []string{"default"}
	for i := range d.AppDomains {
		names = append(names, fmt.Sprintf("app%02d", i+1))
	}
	for _, dom := range d.Domains {
		name := dom.Name + inBrackets(word(dom.SaveNeeded, "changes not saved"), word(dom.APIC, "API Connect"), word(dom.Busy, "busy"), dom.QuiesceState)
		if i := slices.Index(names, dom.Name); i >= 0 {
			names[i] = name
			continue
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func fault(f appliance.Fault) string {
	about := []string{f.Operation, f.Domain, f.File, f.Text}
	if f.Device != "" {
		about[0] = strings.TrimSpace(f.Operation + " on " + f.Device)
	}
	times := "times"
	if f.Count == 1 {
		times = "time"
	}
	return f.Kind + inBrackets(append(about, word(f.Count > 0, fmt.Sprintf("%d %s", f.Count, times)), word(f.Skip > 0, fmt.Sprintf("not the first %d", f.Skip)),
		word(f.After != "", "after "+f.After), word(f.Duration != "", "for "+f.Duration))...)
}

func word(says bool, w string) string {
	if says {
		return w
	}
	return ""
}

func inBrackets(words ...string) string {
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}
