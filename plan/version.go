package plan

import (
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// constraint is one part of required_version.
type constraint struct {
	op      string
	version string // canonical, with a leading v
	parts   int    // how many parts were written: ~> 1.2 differs from ~> 1.2.0
}

func parseConstraints(text string) ([]constraint, error) {
	var cs []constraint
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		op := strings.TrimRight(part[:len(part)-len(strings.TrimLeft(part, "=!<>~"))], " ")
		v := "v" + strings.TrimPrefix(strings.TrimSpace(part[len(op):]), "v")
		switch op {
		case "":
			op = "="
		case "=", "!=", ">", ">=", "<", "<=", "~>":
		default:
			return nil, fmt.Errorf("%q is not an operator", op)
		}
		if !semver.IsValid(v) {
			return nil, fmt.Errorf("%q is not a version", strings.TrimPrefix(v, "v"))
		}
		cs = append(cs, constraint{op, semver.Canonical(v), strings.Count(strings.SplitN(v, "-", 2)[0], ".") + 1})
	}
	return cs, nil
}

// allows reports whether every constraint allows a version. A pre-release
// counts as the release that it comes before: a build made on the way to
// 0.2.0 can do what 0.2.0 can.
func allows(cs []constraint, version string) bool {
	v := "v" + strings.TrimPrefix(version, "v")
	if !semver.IsValid(v) {
		return true // a development build that knows no version
	}
	v = semver.Canonical(v)
	v = strings.TrimSuffix(v, semver.Prerelease(v))
	for _, c := range cs {
		d := semver.Compare(v, c.version)
		ok := false
		switch c.op {
		case "=":
			ok = d == 0
		case "!=":
			ok = d != 0
		case ">":
			ok = d > 0
		case ">=":
			ok = d >= 0
		case "<":
			ok = d < 0
		case "<=":
			ok = d <= 0
		case "~>":
			ok = d >= 0 && semver.Major(v) == semver.Major(c.version)
			if c.parts >= 3 {
				ok = ok && semver.MajorMinor(v) == semver.MajorMinor(c.version)
			}
		}
		if !ok {
			return false
		}
	}
	return true
}
