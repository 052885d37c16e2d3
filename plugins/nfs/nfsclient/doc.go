// Package nfsclient is a small user-space NFS version 3 client (RFC 1813 over
// ONC RPC, RFC 5531, over TCP) for programs that store and fetch whole files.
//
// It needs no kernel mount. Every call takes a context and ends promptly when
// that context does. Calls share one connection per server and are matched to
// their replies by transaction id, so several WRITE or READ requests are under
// way at once. Data is written UNSTABLE and made durable by [File.Commit],
// which compares the server's write verifiers. If the server has restarted in
// between, it has lost data, and Commit fails with [ErrVerifierChanged].
//
// Nothing that a server sends is trusted: every length is checked against a
// bound before memory is allocated for it.
package nfsclient
