package main

import (
	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/exec"
	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/plugins/mail"
	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/plugins/syslog"
	"github.com/dprun/dprun/plugins/webhook"
	"github.com/dprun/dprun/sdk"
)

// bundled are the plugins inside dprun. Each is served by a process of its own.
func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{
		"datapower": datapower.Plugin,
		"exec":      exec.Plugin,
		"file":      file.Plugin,
		"mail":      mail.Plugin,
		"nfs":       nfs.Plugin,
		"sftp":      sftp.Plugin,
		"syslog":    syslog.Plugin,
		"webhook":   webhook.Plugin,
	}
}
