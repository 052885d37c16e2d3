package appliance

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
}

// ParseSize reads a number of bytes: "500MB" and "1GB" are powers of ten,
// "500MiB" and "1GiB" powers of two, a bare number is bytes.
func ParseSize(text string) (int64, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(upper, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*u.factor > 1<<62 {
			break
		}
		return int64(n * u.factor), nil
	}
	return 0, fmt.Errorf("%q is not a size; write it like 64KB, 2MB, 1GB or 1GiB", text)
}

// parser collects the first error of many optional fields.
type parser struct{ err error }

func (p *parser) size(field, text string, standard int64) int64 {
	if text == "" {
		return standard
	}
	n, err := ParseSize(text)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", field, err)
	}
	return n
}

func (p *parser) duration(field, text string, standard time.Duration) time.Duration {
	if text == "" {
		return standard
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is negative", text)
	}
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", field, err)
	}
	return d
}

func (p *parser) choice(field, text, standard string, allowed ...string) string {
	if text == "" {
		return standard
	}
	if text == standard {
		return text
	}
	for _, a := range allowed {
		if text == a {
			return text
		}
	}
	if p.err == nil {
		p.err = fmt.Errorf("%s: %q is not one of %s", field, text, strings.Join(append([]string{standard}, allowed...), ", "))
	}
	return text
}
