package soma

import (
	"fmt"
	"strings"
)

// fields are the elements of a status or config row, in order.
type fields []string // name, value, name, value …

// row writes one row. Rows are in no namespace, yet declare one.
func row(class, attrs string, f fields) string {
	var b strings.Builder
	b.WriteString("<" + class + attrs + rowNS + ">")
	for i := 0; i+1 < len(f); i += 2 {
		name, value := f[i], f[i+1]
		if value == "" {
			b.WriteString("<" + name + "/>")
			continue
		}
		if !strings.HasPrefix(value, "<") { // elements of its own
			value = esc(value)
		}
		b.WriteString("<" + name + ">" + value + "</" + strings.Fields(name)[0] + ">")
	}
	b.WriteString("</" + class + ">")
	return b.String()
}

func named(name string) string { return fmt.Sprintf(` name="%s"`, esc(name)) }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
