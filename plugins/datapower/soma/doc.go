// Package soma speaks the gateway's XML management interface: SOAP over TLS on port 5550.
//
// Almost every failure of the interface arrives as HTTP 200. So each reply is searched for a fault, a result and
// an error log before anything else in it is believed. Elements are matched by local name and namespace, never by
// prefix. Files of hundreds of megabytes arrive base64-encoded within one reply; they are decoded as they arrive,
// in constant memory. TLS is always verified: against roots, or against a pinned certificate.
//
// A call is one request. Polling and retries belong to the caller; nothing is sent twice. The one exception is
// [Client.Firmware], which asks for older forms of a status until the device knows one. Callers who read the same at
// one moment share the answer, if they asked before its request was sent. A later caller never gets an earlier answer.
//
// A reply is decoded once for all callers who share it. A reply without a file is read whole, up to its first
// megabyte, before it is parsed. DomainStatus has a row for every domain and is read with every task, so its rows are
// recognised by their bytes and decoded only if they have changed.
package soma
