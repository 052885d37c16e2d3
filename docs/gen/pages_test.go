package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/testfixtures/need"
)

var (
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeWord   = regexp.MustCompile("`([A-Z]+(?:_[A-Z]+)+)`")
)

// written lists the pages of the documentation, by path from this directory.
func written(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, glob := range []string{"../*.md", "../adr/*.md", "../../*.md"} {
		names := need.Value(filepath.Glob(filepath.FromSlash(glob)))(t)
		for _, name := range names {
			b := need.Value(os.ReadFile(name))(t)
			out[name] = string(b)
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %d pages were found", len(out))
	}
	return out
}

// slug is the anchor that GitHub gives to a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_', r == '-':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
}

func hasAnchor(page, anchor string) bool {
	for line := range strings.Lines(page) {
		if h := strings.TrimLeft(line, "#"); h != line && slug(strings.TrimSpace(h)) == anchor {
			return true
		}
	}
	return false
}

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	for name, page := range written(t) {
		for _, m := range linkTarget.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			to := name
			if path != "" {
				to = filepath.Join(filepath.Dir(name), filepath.FromSlash(path))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			if anchor == "" {
				continue
			}
			b := need.Value(os.ReadFile(to))(t)
			if !hasAnchor(string(b), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", name, m[1])
			}
		}
	}
}

// TestTheLanguageHasAContents: the table on top of the language's first page
// leads to every section of its pages.
func TestTheLanguageHasAContents(t *testing.T) {
	t.Parallel()
	pages := map[string]string{}
	for name, text := range written(t) {
		pages[filepath.Base(name)] = text
	}
	first := pages["plan-language.md"]
	contents, _, _ := strings.Cut(first, "\n## ")
	for _, name := range []string{"plan-language.md", "plan-blocks.md", "expressions.md"} {
		for line := range strings.Lines(pages[name]) {
			heading, ok := strings.CutPrefix(strings.TrimSpace(line), "## ")
			if !ok {
				continue
			}
			link := "](" + name + "#" + slug(heading) + ")"
			if name == "plan-language.md" {
				link = "](#" + slug(heading) + ")"
			}
			if !strings.Contains(contents, link) {
				t.Errorf("the contents of docs/plan-language.md do not lead to %q of %s", heading, name)
			}
		}
	}
}

func TestPagesNameOnlyCodesThatExist(t *testing.T) {
	t.Parallel()
	// Codes of the reference product that are named because we have none for
	// them, variables, and words of the plugin protocol.
	other := map[string]bool{
		"BACKUPS_ARE_DISABLED": true, "PRE_VALIDATION_INVALID_TIMEFRAME_FORMAT": true, "PRE_VALIDATION_QUIESCE_TIMEOUT_SYSPARM_TOO_SHORT": true,
		"DEADLINE_EXCEEDED": true, "VERIFY_READ_BACK": true, "PLAN_NOT_FOUND": true, "PLAN_NOT_STARTED": true,
	}
	for name, page := range written(t) {
		for _, m := range codeWord.FindAllStringSubmatch(page, -1) {
			c := m[1]
			if other[c] || c == "NO_COLOR" || c == "SSH_AUTH_SOCK" || c == "MONITOR_EXIT_STATUS" || strings.HasPrefix(c, "SSL_CERT_") || strings.HasPrefix(c, "DPRUN_") || strings.HasPrefix(c, "PLUGIN_") || strings.HasPrefix(c, "XDG_") {
				continue
			}
			if _, ok := status.Lookup(status.Code(c)); !ok {
				t.Errorf("%s names %s, which is no status code", name, c)
			}
		}
	}
}

// TestNoPageIsLongerThanSomebodyReads: a page is written by hand and has 2,500
// words at most, or is generated to look things up in.
func TestNoPageIsLongerThanSomebodyReads(t *testing.T) {
	t.Parallel()
	for name, page := range written(t) {
		if strings.HasPrefix(page, "<!-- Generated") {
			continue
		}
		n := 0
		for _, w := range strings.Fields(page) {
			if strings.IndexFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0 {
				n++
			}
		}
		if n > 2500 {
			t.Errorf("%s has %d words: make two pages of it", name, n)
		}
	}
}

// TestEveryPageSaysFirstWhoNeedsIt: somebody in a hurry reads the first words,
// and knows whether to go on.
func TestEveryPageSaysFirstWhoNeedsIt(t *testing.T) {
	t.Parallel()
	title := regexp.MustCompile(`(?m)^# .*\n\n`)
	for name, page := range written(t) {
		if dir := filepath.Dir(name); dir == filepath.FromSlash("../..") || dir == filepath.FromSlash("../adr") && filepath.Base(name) != "README.md" {
			continue
		}
		at := title.FindStringIndex(page)
		if at == nil || !strings.HasPrefix(page[at[1]:], "For ") {
			t.Errorf("%s: its first words do not say for whom it is (For operators …)", name)
		}
	}
}

// TestEveryDecisionIsWhole: what was decided, why, and against what, in this
// order; and the list of decisions has all of them.
func TestEveryDecisionIsWhole(t *testing.T) {
	t.Parallel()
	list := string(need.Value(os.ReadFile("../adr/README.md"))(t))
	names := need.Value(filepath.Glob("../adr/[0-9]*.md"))(t)
	if rows := strings.Count(list, "\n| [0"); rows != len(names) || rows < 10 {
		t.Errorf("the list has %d decisions, and there are %d", rows, len(names))
	}
	parts := regexp.MustCompile(`(?m)^(# [0-9]{4} \S|\*\*[A-Z][a-z ]+\.?\*\*)`)
	for _, name := range names {
		page := string(need.Value(os.ReadFile(name))(t))
		number := filepath.Base(name)[:4]
		if got := strings.Join(parts.FindAllString(page, -1), " "); !regexp.MustCompile(`^# ` + number + ` \S \*\*Decided\.\*\* \*\*Why\.\*\* \*\*Rejected\.\*\* \*\*Costs\.\*\* \*\*Think again\*\*$`).MatchString(got) {
			t.Errorf("%s has the parts %s", name, got)
		}
		if !strings.Contains(list, "["+number+"]("+filepath.Base(name)+")") {
			t.Errorf("the list does not lead to %s", name)
		}
	}
}
