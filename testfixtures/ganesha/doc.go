// Package ganesha starts a real NFS server, nfs-ganesha with its VFS back end,
// for tests. It speaks version 3 over TCP on 127.0.0.1 at ports of its own.
//
// Version 3 wants a portmapper to register with, so an rpcbind runs beside the
// server, in a network namespace where nothing listens on the machine's port
// 111. Both see a /run of their own, so any number of servers can run at once
// and nothing is left behind in the machine's /run. That takes root.
package ganesha
