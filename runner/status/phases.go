package status

// phaseWords say what a task does in each phase.
var phaseWords = [...]string{
	"queued", "validating", "plan gate", "ready", "starting", "checking", "waiting for the device", "pre-script",
	"quiescing", "capturing", "unquiescing", "storing", "post-script", "finished",
}

// Doing says in words what a task does in phases. What is no phase is left out.
func Doing(phases ...int) []string {
	var names []string
	for _, n := range phases {
		if n >= 0 && n < len(phaseWords) {
			names = append(names, phaseWords[n])
		}
	}
	return names
}
