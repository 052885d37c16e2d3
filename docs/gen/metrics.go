package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/metrics"
)

// metricsTable lists all metrics.
func metricsTable(b *bytes.Buffer) {
	b.WriteString("| Metric | Labels | Meaning |\n|---|---|---|\n")
	for _, f := range metrics.Families() {
		labels := ""
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, labels, cell(f.Help))
	}
}
