package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dprun/dprun/plan/diag"
)

// bodySpec says what a block of the core may hold. Arguments of plugins are in
// `config`, and a schema describes them.
type bodySpec struct {
	labels   []string
	required []string
	optional []string
	blocks   map[string]blockSpec
}

type blockSpec struct {
	bodySpec
	many   bool
	opaque bool // a config block: checked against a schema later
}

// topLevel describes the blocks of a plan file.
func topLevel() map[string]blockSpec {
	config := blockSpec{opaque: true}
	hours := []string{"days", "dates", "from", "to"}
	postScript := blockSpec{bodySpec: bodySpec{required: []string{"run"}, optional: []string{"when"}}}
	return map[string]blockSpec{
		"dprun": {many: true, bodySpec: bodySpec{
			optional: []string{"required_version"}, blocks: map[string]blockSpec{"required_plugins": {opaque: true}}}},
		"variable": {many: true, bodySpec: bodySpec{
			labels: []string{"name"}, optional: []string{"type", "default", "description", "sensitive", "nullable"},
			blocks: map[string]blockSpec{"validation": {many: true, bodySpec: bodySpec{required: []string{"condition", "error_message"}}}}}},
		"locals": {opaque: true, many: true},
		"device": {many: true, bodySpec: bodySpec{
			labels: []string{"type", "name"}, optional: []string{"for_each", "name", "labels", "group", "vars"},
			blocks: map[string]blockSpec{"config": config, "restore": config}}},
		"pattern": {many: true, bodySpec: bodySpec{
			labels: []string{"name"}, optional: []string{"for_each", "match", "except", "labels"}}},
		"window": {many: true, bodySpec: bodySpec{
			labels: []string{"name"}, optional: []string{"for_each", "timezone"},
			blocks: map[string]blockSpec{
				"allow": {many: true, bodySpec: bodySpec{optional: hours}},
				"deny":  {many: true, bodySpec: bodySpec{optional: hours}}}}},
		"retention": {many: true, bodySpec: bodySpec{
			labels: []string{"name"}, optional: []string{"for_each", "keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_within", "timezone"}}},
		"script": {many: true, bodySpec: bodySpec{
			labels: []string{"type", "name"}, optional: []string{"for_each", "timeout", "arguments"},
			blocks: map[string]blockSpec{"config": config}}},
		"destination": {many: true, bodySpec: bodySpec{
			labels: []string{"type", "name"}, optional: []string{"for_each", "path", "verify", "parallel", "min_free", "retention"},
			blocks: map[string]blockSpec{"config": config, "encryption": {bodySpec: bodySpec{required: []string{"recipients"}}}}}},
		"plan": {many: true, bodySpec: bodySpec{
			labels: []string{"name"}, required: []string{"destinations"},
			optional: []string{"for_each", "description", "window", "retention", "error_policy", "four_eyes", "pre_script", "post_script"},
			blocks: map[string]blockSpec{
				"post_script":   postScript,
				"notify":        {many: true, bodySpec: bodySpec{required: []string{"on", "run"}}},
				"limits":        {bodySpec: bodySpec{optional: []string{"parallel", "per_device", "per_label"}}},
				"timeouts":      {bodySpec: bodySpec{optional: []string{"queue", "run", "quiesce", "unquiesce", "grace", "store", "healthy"}}},
				"signing":       {bodySpec: bodySpec{optional: []string{"key", "passphrase", "allowed_signers"}}},
				"quiesce_guard": {bodySpec: bodySpec{optional: []string{"max_devices", "max_per_group", "settle", "peers", "active", "apic", "environment"}}},
				"schedule":      {many: true, bodySpec: bodySpec{required: []string{"cron"}, optional: []string{"timezone", "jitter", "missed"}}},
				"drill": {many: true, bodySpec: bodySpec{
					labels: []string{"name"}, required: []string{"device", "identity"}, optional: []string{"devices", "domains", "sample", "max_age"}}},
				"activity": {many: true, bodySpec: bodySpec{
					labels: []string{"type", "name"}, required: []string{"devices"},
					optional: []string{"for_each", "domains", "depends_on", "error_policy", "quiesce", "on_busy",
						"pre_script", "post_script", "before_quiesce", "after_unquiesce"},
					blocks: map[string]blockSpec{"post_script": postScript, "config": config}}},
			}}},
	}
}

// checkBlock checks labels, arguments and nested blocks of one block.
func (s *sink) checkBlock(b *hclsyntax.Block, spec *blockSpec) {
	if len(b.Labels) != len(spec.labels) {
		want := "no label"
		if n := len(spec.labels); n > 0 {
			want = "a " + strings.Join(spec.labels, " and a ")
		}
		r := b.DefRange()
		if len(b.Labels) > len(spec.labels) {
			r = b.LabelRanges[len(spec.labels)]
		}
		s.add(diag.WrongLabels, r, "%s block needs %s as its labels: %s { … }.", sentence(indefinite(b.Type)), want, strings.Join(append([]string{b.Type}, spec.labels...), " "))
	}
	for i, label := range b.Labels {
		if i < len(spec.labels) && !hclsyntax.ValidIdentifier(label) {
			s.add(diag.InvalidName, b.LabelRanges[i], "The label %q cannot be referred to. Labels are letters, digits, _ and -, and begin with a letter or _.", label)
		}
	}
	if !spec.opaque {
		s.checkBody(b, &spec.bodySpec)
	}
}

// indefinite puts its article before a word of the language: a plan, an activity.
func indefinite(noun string) string {
	if strings.ContainsAny(noun[:1], "aeio") {
		return "an " + noun
	}
	return "a " + noun
}

// sentence begins one.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (s *sink) checkBody(b *hclsyntax.Block, spec *bodySpec) {
	if s.hideKeys(b) {
		return
	}
	meant := map[string]bool{} // what misspelt arguments stand for
	for name, attr := range b.Body.Attributes {
		if slices.Contains(spec.required, name) || slices.Contains(spec.optional, name) {
			continue
		}
		if _, isBlock := spec.blocks[name]; isBlock {
			s.add(diag.UnknownArgument, attr.NameRange, "%q is a block here, not an argument: write it with braces and without an equals sign.", name)
			continue
		}
		names := slices.Concat(spec.required, spec.optional)
		hint := sentence(indefinite(b.Type)) + " block has " + listed(names) + "."
		if _, has := spec.blocks["config"]; has {
			hint += " Arguments of the plugin belong in its config block."
		}
		s.unknownName(diag.UnknownArgument, attr.NameRange, name, names, "%q is not an argument of %s block. %s", name, indefinite(b.Type), hint)
		meant[s.list[len(s.list)-1].Suggestion] = true
	}
	for _, name := range spec.required {
		if _, set := b.Body.Attributes[name]; !set && !meant[name] {
			s.add(diag.MissingArgument, b.DefRange(), "%s block needs %q.", sentence(indefinite(b.Type)), name)
		}
	}
	var first map[string]*hclsyntax.Block
	for _, n := range b.Body.Blocks {
		sub, known := spec.blocks[n.Type]
		if !known {
			names := slices.Sorted(maps.Keys(spec.blocks))
			if slices.Contains(spec.required, n.Type) || slices.Contains(spec.optional, n.Type) {
				s.add(diag.UnknownBlock, n.TypeRange, "%q is an argument here, not a block: write %s = …", n.Type, n.Type)
				continue
			}
			hint := "It holds no blocks."
			if len(names) > 0 {
				hint = "It has " + listed(names) + "."
			}
			s.unknownName(diag.UnknownBlock, n.TypeRange, n.Type, names, "%q is not a block inside %s block. %s", n.Type, indefinite(b.Type), hint)
			continue
		}
		if before := first[n.Type]; before != nil && !sub.many {
			s.add(diag.DuplicateBlock, n.TypeRange, "%s block has at most one %s block.", sentence(indefinite(b.Type)), n.Type).Related = related("The first one is here.", before.TypeRange)
			continue
		}
		if first == nil {
			first = map[string]*hclsyntax.Block{}
		}
		first[n.Type] = n
		s.checkBlock(n, &sub)
		if attr := b.Body.Attributes[n.Type]; attr != nil {
			s.add(diag.ConflictingArguments, n.TypeRange, "%q is set both as an argument and as a block. Keep one of them.", n.Type).Related = related("The argument is here.", attr.NameRange)
		}
	}
}

// listed joins names for a sentence.
func listed(names []string) string {
	switch len(names) {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// nested finds the first nested block of a type; nil when there is none.
func nested(b *hclsyntax.Body, name string) *hclsyntax.Block {
	for _, n := range b.Blocks {
		if n.Type == name {
			return n
		}
	}
	return nil
}
