package serve

import "net"

// Notifier tells the service manager how this process is, by the socket that
// NOTIFY_SOCKET names (sd_notify(3)). Without a socket it tells nobody. What
// cannot be told is not said again: the manager's time-outs are for that.
func Notifier(socket string) (notify func(state string)) {
	if socket == "" {
		return func(string) {}
	}
	return func(state string) {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(state))
		_ = conn.Close()
	}
}
