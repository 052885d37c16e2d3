package report

import "time"

// Pack is a directory with all that dprun has for the worst day of a gateway.
type Pack struct {
	Device  string      `json:"device"`
	Dir     string      `json:"dir"`
	Sets    []PackedSet `json:"sets"`
	Missing []Unpacked  `json:"missing,omitempty"`
	Files   int         `json:"files"` // all, with those that dprun has written
	Bytes   int64       `json:"bytes"`
}

// PackedSet is a backup in a pack.
type PackedSet struct {
	Set      string    `json:"set"`
	Domain   string    `json:"domain,omitempty"` // absent: the whole device
	Activity string    `json:"activity"`
	Captured time.Time `json:"captured"`
	Dir      string    `json:"dir"`   // below that of the pack
	Files    []string  `json:"files"` // below it, the manifest last
}

// Unpacked is what the plan should back up of the gateway and the pack does not hold.
type Unpacked struct {
	Domain   string `json:"domain,omitempty"`
	Activity string `json:"activity"`
	Why      string `json:"why"`
}
