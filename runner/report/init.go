package report

// Init is what was done so that a plan has the plugins that it requires.
type Init struct {
	LockFile string       `json:"lock_file"`
	Changed  bool         `json:"lock_file_changed"`
	Plugins  []InitPlugin `json:"plugins"`
}

// InitPlugin is one of them.
type InitPlugin struct {
	Name    string `json:"name"`
	Source  string `json:"source"`
	Version string `json:"version"`
	Before  string `json:"version_before,omitempty"` // that was locked
	// Installed says that it was copied to the plugin directory; else it was there.
	Installed bool     `json:"installed"`
	Platforms []string `json:"platforms"` // for which the lock file has a digest
}
