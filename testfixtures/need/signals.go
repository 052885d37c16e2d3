package need

import (
	"os"
	"os/signal"
	"syscall"
)

// Signals lets programs that tests start from now on hear SIGINT and SIGHUP. A
// shell starts what runs in its background, and nohup what it runs, with these
// ignored, and programs inherit that.
func Signals() {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
