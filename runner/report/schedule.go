package report

import "time"

// Schedule is when a plan is due next by its schedules.
type Schedule struct {
	Plan  string         `json:"plan"`
	Rules []ScheduleRule `json:"schedules"` // empty: nothing starts it but somebody
	Next  []DueTime      `json:"next"`      // the earliest first
}

// ScheduleRule is one schedule block of a plan.
type ScheduleRule struct {
	Cron     string        `json:"cron"`
	Timezone string        `json:"timezone"`
	Jitter   time.Duration `json:"jitter_ns,omitempty"`
	Missed   string        `json:"missed"` // run_once or skip
}

// DueTime is a time at which a plan is due.
type DueTime struct {
	Due     time.Time `json:"due"`               // as the clocks of the schedule's zone show it
	Start   time.Time `json:"start"`             // due, and the jitter of that night
	Outside bool      `json:"outside,omitempty"` // the plan's window is closed then, so it is not started
}
