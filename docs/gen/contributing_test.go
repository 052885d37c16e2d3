package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// instructions are the commands of a page, and the paths and tests that it names.
func instructions(page string) (commands, paths, tests []string) {
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(page, -1) {
		commands = append(commands, strings.Split(strings.TrimSpace(m[1]), "\n")...)
	}
	made := []string{"bin/dprun", "bin/dpsim", "plan.hcl", "fleet.hcl", "steps.hcl", "expect.hcl"}
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(page, -1) {
		switch name := m[1]; {
		case regexp.MustCompile(`^(make|go|git|npm|npx|sh|dprun) |^\./`).MatchString(name):
			commands = append(commands, name)
		case regexp.MustCompile(`^Test\w+$`).MatchString(name):
			tests = append(tests, name)
		case regexp.MustCompile(`^[\w./-]*[./][\w./-]*$`).MatchString(name) && !slices.Contains(made, name):
			paths = append(paths, name)
		}
	}
	return commands, paths, tests
}

// flaw says why a command does not work in the repository at root, given its
// Makefile and what `make help` lists; empty: it works.
func flaw(t *testing.T, root, makefile, help, command string) string {
	holds := func(dir, pattern string) bool {
		found := false
		for _, name := range need.Value(filepath.Glob(filepath.Join(root, dir, "*.go")))(t) {
			found = found || regexp.MustCompile(pattern).Match(need.Value(os.ReadFile(name))(t))
		}
		return found
	}
	words := strings.Fields(command)
	kind := strings.Join(words[:min(2, len(words))], " ")
	switch {
	case words[0] == "make":
		for _, word := range words[1:] {
			if name, _, set := strings.Cut(word, "="); set && !strings.Contains(makefile, "$("+name+")") {
				return "the Makefile has no variable " + name
			} else if !set && !strings.Contains(help, "  "+word+" ") {
				return "`make help` does not list " + word
			}
		}
	case kind == "go run" && len(words) > 2:
		if !holds(words[2], `(?m)^func main\(\)`) {
			return words[2] + " is no program"
		}
		for _, word := range words[3:] {
			if name, flag := strings.CutPrefix(word, "-"); flag && !holds(words[2], `flag\.\w+\([^"]*"`+regexp.QuoteMeta(name)+`"`) {
				return words[2] + " has no flag " + word
			}
		}
	case kind == "go test" && len(words) > 2:
		first := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") })
		if first < 0 {
			first = len(words)
		}
		for _, dir := range words[2:first] {
			if !holds(dir, `(?m)^func Test`) {
				return dir + " has no tests"
			}
			for i := first; i < len(words); i++ {
				switch word := words[i]; {
				case word == "-run" && i+1 < len(words):
					i++
					top, _, _ := strings.Cut(words[i], "/")
					if !holds(dir, `(?m)^func Test\w*(`+top+`)`) {
						return dir + " has no test " + top
					}
				case word != "-update" || !holds(dir, `"update"|/testfixtures/golden"`):
					return "the tests of " + dir + " have no flag " + word
				}
			}
		}
	default:
		return "nothing is known of such a command"
	}
	return ""
}

var makeHelp = sync.OnceValues(exec.Command("make", "-s", "-C", "../..", "help").Output)

// flaws lists what a page of instructions says that is not so.
func flaws(t *testing.T, page string) (out []string) {
	t.Helper()
	root := "../.."
	makefile := string(need.Value(os.ReadFile(filepath.Join(root, "Makefile")))(t))
	help := string(need.Value(makeHelp())(t))
	commands, paths, tests := instructions(page)
	if len(commands) < 12 || len(paths) < 10 || len(tests) == 0 {
		out = append(out, fmt.Sprintf("%d commands, %d paths and %d tests: what was to be looked at was not found", len(commands), len(paths), len(tests)))
	}
	for _, c := range commands {
		if why := flaw(t, root, makefile, help, c); why != "" {
			out = append(out, c+": "+why)
		}
	}
	for _, p := range paths {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(p))); err != nil {
			out = append(out, err.Error())
		}
	}
	for _, name := range tests {
		if exec.Command("git", "-C", root, "grep", "-q", "^func "+name+"(").Run() != nil {
			out = append(out, "there is no test "+name)
		}
	}
	return out
}

// TestWhatContributorsAreToldIsThere: every path, command and test that
// CONTRIBUTING.md names.
func TestWhatContributorsAreToldIsThere(t *testing.T) {
	t.Parallel()
	page := string(need.Value(os.ReadFile("../../CONTRIBUTING.md"))(t))
	for _, f := range flaws(t, page) {
		t.Errorf("CONTRIBUTING.md: %s", f)
	}
}

// TestWhatContributorsAreToldWronglyIsFound: one mistake of each kind.
func TestWhatContributorsAreToldWronglyIsFound(t *testing.T) {
	t.Parallel()
	page := string(need.Value(os.ReadFile("../../CONTRIBUTING.md"))(t))
	for _, c := range []struct{ old, new, want string }{
		{"`runner/status/codes.go`", "`runner/status/kodes.go`", "kodes.go"},
		{"`plan/testdata/invalid`", "`plan/testdata/wrong`", "wrong"},
		{"\nmake build\n", "\nmake biuld\n", "does not list biuld"},
		{"`make soak`", "`make soaks`", "does not list soaks"},
		{"\nmake check\n", "\nmake check SPEED=1\n", "no variable SPEED"},
		{"go run ./docs/gen\n", "go run ./docs/gone\n", "./docs/gone is no program"},
		{"go run ./docs/gen\n", "go run ./docs/gen -dri x\n", "no flag -dri"},
		{"./cmd/dprun -run Mistake -update", "./cmd/dprun -run Misteak -update", "no test Misteak"},
		{"./cmd/dprun -run Mistake -update", "./cmd/dprun -run Mistake -updat", "no flag -updat"},
		{"./cmd/dprun/view ./plan -update", "./cmd/dprun/view ./plans -update", "./plans has no tests"},
		{"./cmd/dprun/view ./plan -update", "./cmd/dprun/view ./plan/pattern -update", "no flag -update"},
		{"`go test ./testfixtures/scenarios -update`", "`go test ./testfixtures/scenario/rename -update`", "no flag -update"},
		{"\nmake check\n", "\nmage check\n", "nothing is known"},
		{"`TestAGuardTriesAgain`", "`TestAGuardTriesOften`", "TestAGuardTriesOften"},
	} {
		if !strings.Contains(page, c.old) {
			t.Errorf("CONTRIBUTING.md does not hold %q", c.old)
		}
		if found := flaws(t, strings.Replace(page, c.old, c.new, 1)); len(found) != 1 || !strings.Contains(found[0], c.want) {
			t.Errorf("%q instead of %q: found %q", c.new, c.old, found)
		}
	}
}
