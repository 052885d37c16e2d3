package serve

import "net"

// Notifier returns a function that tells the service manager the state of this process,
// over the socket in NOTIFY_SOCKET (sd_notify(3)). Without a socket the function does
// nothing. It does not repeat a message that could not be sent, because the manager's
// time-outs cover that.
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
