package lifecycle

// Phase is where the task stands.
func (t *Task) Phase() Phase { return t.phase }

// Pending is every action of the run and its tasks that should be in flight now.
func (r *Run) Pending() []Action {
	as := r.PendingOf("")
	for _, t := range r.tasks {
		as = append(as, r.PendingOf(t.id)...)
	}
	return as
}

// NewTask makes a task that belongs to no run.
func NewTask(s TaskSpec) *Task {
	shared := &sharedSpec{s.Run, s.Plan, s.Activity, s.Device, s.Seed, s.Window, s.Timeouts, s.Destinations, s.OnlyDefault, s.Guard, s.Group, s.Peers, s.Environment}
	return &Task{spec: shared, id: s.ID, domain: s.Domain, lastSize: s.LastSize, usual: s.Usual, work: idle}
}
