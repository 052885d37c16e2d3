package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// argument is one row of the language's tables.
type argument struct{ name, preset string }

var tableHead = regexp.MustCompile("^\\| Argument of `(\\w+)` \\|")

// tables reads the tables of arguments of the language's pages, by block.
func tables(t *testing.T) map[string][]argument {
	t.Helper()
	var page []byte
	for _, name := range []string{"../plan-language.md", "../plan-blocks.md", "../retention.md", "../drills.md", "../serve.md", "../notifications.md"} {
		b := need.Value(os.ReadFile(name))(t)
		page = append(page, b...)
	}
	found := map[string][]argument{}
	block := ""
	for line := range strings.Lines(string(page)) {
		if m := tableHead.FindStringSubmatch(line); m != nil {
			block = m[1]
			found[block] = nil
			continue
		}
		cells := strings.Split(line, "|")
		if !strings.HasPrefix(line, "|") {
			block = ""
		}
		if block != "" && len(cells) >= 5 && !strings.HasPrefix(line, "|--") {
			found[block] = append(found[block], argument{strings.Trim(cells[1], "` "), strings.Trim(cells[3], "` ")})
		}
	}
	return found
}

// probe asks the language what a block may hold, by giving it what it cannot.
func probe(t *testing.T, block, text string) []string {
	t.Helper()
	_, ds := plan.Parse(plan.Sources{Files: []plan.Source{{Name: "p.hcl", Text: []byte(text)}}}, "0.1.0")
	arguments := regexp.MustCompile("^.*An? " + block + ` block has (.*?)\.(?: Arguments of the plugin.*)?$`)
	blocks := regexp.MustCompile(" is not a block inside an? " + block + ` block\. It has (.*)\.$`)
	var names []string
	for _, d := range ds {
		if m := arguments.FindStringSubmatch(d.Detail); d.Code == diag.UnknownArgument && m != nil {
			names = append(names, words(m[1])...)
		}
		if m := blocks.FindStringSubmatch(d.Detail); d.Code == diag.UnknownBlock && m != nil && m[1] != "no blocks inside" {
			for _, w := range words(m[1]) {
				names = append(names, w+" { }")
			}
		}
	}
	slices.Sort(names)
	return names
}

func words(list string) []string {
	return regexp.MustCompile(`, | and `).Split(list, -1)
}

func TestThePagesListExactlyTheArgumentsThatThereAre(t *testing.T) {
	t.Parallel()
	const unknown = " zz_probe = 1\n zz_probe {}\n"
	in := func(head string) string { return head + " {\n" + unknown + "}\n" }
	within := func(outer, head string) string { return outer + " {\n" + in(head) + "}\n" }
	texts := map[string]string{
		"dprun": in("dprun"), "variable": in(`variable "a"`), "device": in(`device "a" "b"`), "pattern": in(`pattern "a"`),
		"window": in(`window "a"`), "allow": within(`window "a"`, "allow"), "deny": within(`window "a"`, "deny"),
		"retention": in(`retention "a"`), "script": in(`script "a" "b"`), "destination": in(`destination "a" "b"`), "plan": in(`plan "a"`),
		"post_script": within(`plan "a"`, "post_script"), "limits": within(`plan "a"`, "limits"), "timeouts": within(`plan "a"`, "timeouts"), "notify": within(`plan "a"`, "notify"), "signing": within(`plan "a"`, "signing"),
		"quiesce_guard": within(`plan "a"`, "quiesce_guard"), "schedule": within(`plan "a"`, "schedule"), "activity": within(`plan "a"`, `activity "b" "c"`),
		"drill": within(`plan "a"`, `drill "b"`),
	}
	found := tables(t)
	for block, text := range texts {
		var listed []string
		for _, a := range found[block] {
			listed = append(listed, a.name)
		}
		slices.Sort(listed)
		if d := cmp.Diff(probe(t, block, text), listed); d != "" {
			t.Errorf("arguments of %s (-language +page):\n%s", block, d)
		}
		delete(found, block)
	}
	for block := range found {
		t.Errorf("the page has a table of %s, which nothing is known of", block)
	}
}

func TestThePagesTellTheDefaultsThatThereAre(t *testing.T) {
	t.Parallel()
	text := ""
	for _, f := range fences(t, "hcl") {
		if f.page == "plan-language.md" && !f.fragment {
			text = f.text
		}
	}
	cfg, ds := compile(t, "plan.hcl", text+"\nscript \"exec\" \"s\" {\n config { command = [\"x\"] }\n}\nwindow \"w\" {\n}\npattern \"p\" {\n}\n")
	if ds.HasErrors() {
		t.Fatal(said(ds))
	}
	p, d := cfg.Plans[0], cfg.Destinations[0]
	a := p.Activities[0]
	durations := map[string]string{
		"timeouts.queue": p.Timeouts.Queue.String(), "timeouts.run": p.Timeouts.Run.String(), "timeouts.quiesce": p.Timeouts.Quiesce.String(),
		"timeouts.unquiesce": p.Timeouts.Unquiesce.String(), "timeouts.grace": p.Timeouts.Grace.String(), "timeouts.store": p.Timeouts.Store.String(),
		"timeouts.healthy": p.Timeouts.Healthy.String(), "quiesce_guard.settle": p.Guard.Settle.String(), "script.timeout": cfg.Scripts[0].Timeout.String(),
	}
	plain := map[string]string{
		"limits.parallel": strconv.Itoa(p.Limits.Parallel), "limits.per_device": strconv.Itoa(p.Limits.PerDevice),
		"quiesce_guard.max_devices": strconv.Itoa(p.Guard.MaxDevices), "quiesce_guard.max_per_group": strconv.Itoa(p.Guard.MaxPerGroup),
		"quiesce_guard.peers": p.Guard.Peers, "quiesce_guard.active": p.Guard.Active, "quiesce_guard.apic": p.Guard.APIConnect, "plan.error_policy": p.ErrorPolicy,
		"activity.quiesce": a.Quiesce, "activity.on_busy": a.OnBusy, "destination.verify": d.Verify,
		"destination.min_free": strconv.FormatFloat(d.MinFree.Percent, 'f', -1, 64) + "%", "window.timezone": cfg.Windows[0].Timezone,
		"pattern.match": `["` + strings.Join(cfg.Patterns[0].Match, `", "`) + `"]`,
	}
	for block, rows := range tables(t) {
		for _, row := range rows {
			name := block + "." + row.name
			if want, ok := plain[name]; ok && row.preset != want {
				t.Errorf("the default of %s is %s, not %s", name, want, row.preset)
			}
			if want, ok := durations[name]; ok {
				said, err := schema.ParseDuration(row.preset)
				if err != nil || said.String() != want {
					t.Errorf("the default of %s is %s, not %s", name, want, row.preset)
				}
			}
			delete(plain, name)
			delete(durations, name)
		}
	}
	for name := range plain {
		t.Errorf("the page does not tell the default of %s", name)
	}
	for name := range durations {
		t.Errorf("the page does not tell the default of %s", name)
	}
}
