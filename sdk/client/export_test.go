package client

import "time"

// SetGrace has a plugin's calls wait less than [CancelGrace].
func (p *Plugin) SetGrace(d time.Duration) { p.grace = d }
