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
