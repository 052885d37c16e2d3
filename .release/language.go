package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

var (
	heading  = regexp.MustCompile(`^###? (.+)$`)
	argument = regexp.MustCompile("^\\| Argument of `([\\w.]+)` \\|")
	link     = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	code     = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*")
)

// languagePage is the manual page of the plan language, in the form of man(7). It
// is made from the tables of the documentation in the current directory.
func languagePage(version string, at time.Time) (file, error) {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	start, err := os.ReadFile("docs/plan-language.md")
	if err != nil {
		return file{}, err
	}
	_, shape, _ := strings.Cut(string(start), "\n## The shape\n\n```hcl\n")
	shape, _, found := strings.Cut(shape, "```")
	paragraphs := strings.SplitN(string(start), "\n\n", 3)
	if !found || len(paragraphs) < 3 {
		return file{}, fmt.Errorf("docs/plan-language.md does not begin with a paragraph and the shape of a plan: mend .release/language.go")
	}
	line(`.TH DPRUN.HCL 5 %s "dprun %s" "dprun"`, at.Format(time.DateOnly), roff(version))
	line(".SH NAME\ndprun.hcl \\- the language of plans")
	line(".SH DESCRIPTION\n%s", marked(paragraphs[1]))
	line(".SH EXAMPLE\n.nf\n%s.fi", roff(shape))
	for _, part := range []struct {
		title string
		pages []string
	}{
		{"BLOCKS", []string{"plan-language", "plan-blocks", "retention", "drills", "notifications", "serve"}},
		{"ARGUMENTS OF THE BUNDLED PLUGINS", []string{"plugins"}},
		{"FUNCTIONS", []string{"functions"}},
	} {
		line(".SH %s", part.title)
		for _, name := range part.pages {
			text, err := os.ReadFile("docs/" + name + ".md")
			if err != nil {
				return file{}, err
			}
			tables(line, string(text), name == "plugins")
		}
	}
	line(".SH SEE ALSO\n.BR dprun\\-validate (1),\n.BR dprun\\-plan (1),\n.BR dprun\\-fmt (1),\n.BR dprun\\-plugin\\-describe (1)")
	line(".PP\nThe rules behind the arguments, and more examples: /usr/share/doc/dprun/docs/plan\\-language.md")
	return file{"dprun.hcl.5", 0o644, []byte(b.String())}, nil
}

// tables writes the rows of a page's tables of arguments and of functions. The
// tables of plugins are told apart by the heading that they stand under.
func tables(line func(string, ...any), page string, headed bool) {
	under, of := "", ""
	for text := range strings.Lines(page) {
		text = strings.TrimSpace(text)
		if m := heading.FindStringSubmatch(text); m != nil {
			under = m[1]
		}
		m := argument.FindStringSubmatch(text)
		cells := strings.Split(strings.Trim(strings.ReplaceAll(text, `\|`, "\x00"), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
		}
		switch {
		case m != nil && headed:
			of = m[1] + " of " + under
			line(".SS %s", roff(of))
		case m != nil:
			of = m[1]
			line(".SS %s", roff(of))
		case strings.HasPrefix(text, "| Function |"):
			of = "functions"
		case !strings.HasPrefix(text, "|"):
			of = ""
		case of == "" || strings.HasPrefix(text, "|--"):
		case of == "functions" && len(cells) == 2:
			line(".TP\n%s\n%s", marked(cells[0]), marked(cells[1]))
		case len(cells) == 4:
			what := cells[1]
			switch cells[2] {
			case "":
			case "required":
				what += ", required"
			default:
				what += ", default " + cells[2]
			}
			line(".TP\n%s (%s)\n%s", marked(cells[0]), marked(what), marked(cells[3]))
		}
	}
}

// marked is a text of the documentation: links lose their targets, code and what
// is bold become bold.
func marked(text string) string {
	text = link.ReplaceAllString(text, "$1")
	text = code.ReplaceAllString(text, "\x01$1$2\x02")
	return strings.NewReplacer("\x01", `\fB`, "\x02", `\fP`).Replace(roff(text))
}

// roff keeps a text from being read as requests of man(7).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "\n.", "\n\\&.").Replace(text)
	if strings.HasPrefix(text, ".") {
		return `\&` + text
	}
	return text
}
