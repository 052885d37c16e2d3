// Package ganesha starts a real NFS server for tests: nfs-ganesha with its VFS back
// end. The server speaks version 3 over TCP on ports of its own at 127.0.0.1.
//
// Version 3 needs a portmapper to register with. So an rpcbind runs beside the server,
// in a network namespace in which nothing listens on port 111. Both see a /run of their
// own. Therefore any number of servers can run at once, and nothing is left in the
// machine's /run. This needs root.
package ganesha
