package schema

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ParseDuration reads a duration as plans write it: the form of
// [time.ParseDuration], optionally with whole days in front ("7d", "1d12h"). It
// refuses negative durations.
func ParseDuration(s string) (time.Duration, error) {
	rest, days := s, int64(0)
	digits := 0
	for digits < len(s) && '0' <= s[digits] && s[digits] <= '9' {
		digits++
	}
	if digits > 0 && digits < len(s) && s[digits] == 'd' {
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		if err != nil || n > math.MaxInt64/int64(24*time.Hour) {
			return 0, fmt.Errorf("%q is too long a duration", s)
		}
		days, rest = n, s[digits+1:]
		rest = cmp.Or(rest, "0s")
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write it with units, like \"90s\", \"2h30m\" or \"7d\"", s)
	}
	total := time.Duration(days)*24*time.Hour + d
	if d < 0 || total < 0 {
		return 0, fmt.Errorf("%q is not a duration from 0 up", s)
	}
	return total, nil
}

var sizePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([a-zA-Z]*)$`) })

// sizeUnit returns the number of bytes in a unit; 0: no such unit.
func sizeUnit(s string) float64 {
	switch strings.ToLower(s) {
	case "", "b":
		return 1
	case "kb":
		return 1e3
	case "mb":
		return 1e6
	case "gb":
		return 1e9
	case "tb":
		return 1e12
	case "kib":
		return 1 << 10
	case "mib":
		return 1 << 20
	case "gib":
		return 1 << 30
	case "tib":
		return 1 << 40
	}
	return 0
}

// ParseSize reads a size in bytes: a bare number, or a number with a decimal
// (kB, MB, GB, TB) or binary (KiB, MiB, GiB, TiB) unit in any case.
func ParseSize(s string) (int64, error) {
	m := sizePattern().FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size; write it like \"500MB\", \"2GiB\" or a number of bytes", s)
	}
	unit := sizeUnit(m[2])
	if unit == 0 {
		return 0, fmt.Errorf("%q has an unknown unit; use kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)", s)
	}
	if !strings.Contains(m[1], ".") { // exact
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > math.MaxInt64/int64(unit) {
			return 0, fmt.Errorf("%q is too large a size", s)
		}
		return n * int64(unit), nil
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil || f*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large a size", s)
	}
	return int64(math.Round(f * unit)), nil
}
