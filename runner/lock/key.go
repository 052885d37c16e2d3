package lock

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// PlanKey is the key of a plan by its name and the file that holds it: it runs
// once at a time.
func PlanKey(plan, origin string) string { return "plan/" + plan + "\x00" + origin }

// RunKey is the key of a run: held while its process or one of its plugins lives.
func RunKey(run string) string { return "run/" + run }

// JournalKey is held while a lost journal is put aside and a new one is begun.
const JournalKey = "journal"

// ServerKey is held while a server works on the state directory.
const ServerKey = "server"

// GuardKey is the key of a run's guard: held while the guard process lives.
func GuardKey(run string) string { return "guard/" + run }

// DeviceKey is the key of a box by its identity, whatever name a plan gives it.
func DeviceKey(identity string) string { return "device/" + identity }

// SetKey is the key of a set: shared by those who read its files, exclusive for
// whoever deletes them.
func SetKey(set string) string { return "set-" + set }

// readable is how much of a key stands in the file's name.
const readable = 48

// fileName is a key as a file name: what a person can read of it, and a hash
// that tells keys apart that differ only in what a name cannot hold, or in
// case.
func fileName(key string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, key)
	clean = strings.TrimLeft(clean, ".-")
	sum := sha256.Sum256([]byte(key))
	return clean[:min(len(clean), readable)] + "-" + hex.EncodeToString(sum[:8])
}
