package nfsclient

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// conn is one TCP connection. Any number of goroutines may send requests over
// it. Its own goroutine reads the replies and hands each to its caller. The
// first error ends the connection for every caller.
type conn struct {
	nc      net.Conn
	cred    credential
	sending chan struct{} // holds one token: the right to write to nc
	done    chan struct{} // closed when the reading goroutine has ended

	mu      sync.Mutex
	xid     uint32
	waiting map[uint32]chan<- reply
	err     error // why the connection ended
}

// reply is the answer to one request: a record, to be released after use, or
// the reason why there will be none.
type reply struct {
	record *record
	err    error
}

// record holds the bytes of one reply.
type record struct {
	b    []byte
	pool *sync.Pool
}

func (r *record) release() {
	if r != nil && r.pool != nil {
		r.pool.Put(r)
	}
}

const smallRecord = 8 << 10

// recordPools reuse the memory of replies, so that a transfer of any length
// needs only that of one window. A pool is safe for concurrent use and has no
// state that a caller could see.
type recordPools struct{ small, large sync.Pool }

func (p *recordPools) get(n int) *record {
	pool, size := &p.small, smallRecord
	if n > smallRecord {
		pool, size = &p.large, maxRecord
	}
	r, ok := pool.Get().(*record)
	if !ok {
		r = &record{b: make([]byte, size), pool: pool}
	}
	r.b = r.b[:n]
	return r
}

func newConn(nc net.Conn, cred credential, xid uint32, pools *recordPools) *conn {
	c := &conn{
		nc: nc, cred: cred, xid: xid,
		sending: make(chan struct{}, 1),
		done:    make(chan struct{}),
		waiting: map[uint32]chan<- reply{},
	}
	c.sending <- struct{}{}
	go c.receive(pools)
	return c
}

// close ends the connection and waits for its goroutine.
func (c *conn) close(why error) {
	c.abort(why)
	<-c.done
}

// abort ends the connection. Every waiting caller gets why.
func (c *conn) abort(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = why
	c.nc.Close()
	for xid, ch := range c.waiting {
		ch <- reply{err: why}
		delete(c.waiting, xid)
	}
}

func (c *conn) broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// register reserves a transaction id.
func (c *conn) register() (uint32, <-chan reply, error) {
	ch := make(chan reply, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	c.xid++
	c.waiting[c.xid] = ch
	return c.xid, ch, nil
}

// forget gives up a transaction. A reply that still arrives is dropped.
func (c *conn) forget(xid uint32, ch <-chan reply) {
	c.mu.Lock()
	delete(c.waiting, xid)
	c.mu.Unlock()
	select {
	case r := <-ch:
		r.record.release()
	default:
	}
}

// send writes one request. When it returns, nothing refers to r.data any more.
// Any error ends the connection, because a request that was written in part
// cuts the stream of records in the middle.
func (c *conn) send(ctx context.Context, r *request, scratch *encoder, timeout time.Duration) (uint32, <-chan reply, error) {
	select {
	case <-c.sending:
	case <-ctx.Done():
		return 0, nil, context.Cause(ctx)
	}
	defer func() { c.sending <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return 0, nil, context.Cause(ctx)
	}
	xid, ch, err := c.register()
	if err != nil {
		return 0, nil, err
	}
	scratch.b = scratch.b[:0]
	r.appendHeader(scratch, xid, c.cred)
	if err := c.write(ctx, r, scratch.b, timeout); err != nil {
		c.forget(xid, ch)
		c.abort(fmt.Errorf("%w: %w", ErrDisconnected, err))
		if ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
		return 0, nil, err
	}
	return xid, ch, nil
}

func (c *conn) write(ctx context.Context, r *request, header []byte, timeout time.Duration) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	stop := context.AfterFunc(ctx, func() { c.nc.Close() })
	defer stop()
	var err error
	if len(r.data) == 0 {
		_, err = c.nc.Write(header)
	} else {
		parts := net.Buffers{header, r.data, zeros[:padding(len(r.data))]}
		_, err = parts.WriteTo(c.nc)
	}
	var timedOut net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &timedOut) && timedOut.Timeout():
		return fmt.Errorf("%w: it took no data for %v", ErrTimeout, timeout)
	}
	return fmt.Errorf("%w: %w", ErrDisconnected, err)
}

// receive reads replies until the connection ends.
func (c *conn) receive(pools *recordPools) {
	defer close(c.done)
	in := bufio.NewReaderSize(c.nc, 64<<10)
	for {
		rec, err := readRecord(in, pools)
		if err != nil {
			var bad *ProtocolError
			if !errors.As(err, &bad) {
				err = fmt.Errorf("%w: %w", ErrDisconnected, err)
			}
			c.abort(err)
			return
		}
		c.deliver(rec)
	}
}

func (c *conn) deliver(rec *record) {
	if len(rec.b) < 4 {
		rec.release()
		c.abort(&ProtocolError{"a reply without a transaction id"})
		return
	}
	xid := binary.BigEndian.Uint32(rec.b)
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, ok := c.waiting[xid]
	if !ok {
		rec.release() // its caller has given up
		return
	}
	delete(c.waiting, xid)
	ch <- reply{record: rec}
}

// readRecord reads one record: fragments, each preceded by its length (RFC 5531
// §11). It never allocates more than maxRecord, whatever the lengths say.
func readRecord(in io.Reader, pools *recordPools) (*record, error) {
	var rec *record
	for range maxFragments {
		var mark [recordMarkLen]byte
		if _, err := io.ReadFull(in, mark[:]); err != nil {
			rec.release()
			return nil, err
		}
		v := binary.BigEndian.Uint32(mark[:])
		n, last := int(v&^lastFragment), v&lastFragment != 0
		have := 0
		if rec != nil {
			have = len(rec.b)
		}
		if n > maxRecord-have {
			rec.release()
			return nil, &ProtocolError{fmt.Sprintf("a reply of %d bytes or more, of which %d are allowed", have+n, maxRecord)}
		}
		rec = grow(rec, have+n, pools)
		if _, err := io.ReadFull(in, rec.b[have:]); err != nil {
			rec.release()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if last {
			return rec, nil
		}
	}
	rec.release()
	return nil, &ProtocolError{fmt.Sprintf("a reply in more than %d fragments", maxFragments)}
}

// grow returns a record of n bytes that begins with the bytes of old.
func grow(old *record, n int, pools *recordPools) *record {
	if old != nil && n <= cap(old.b) {
		old.b = old.b[:n]
		return old
	}
	rec := pools.get(n)
	if old != nil {
		copy(rec.b, old.b)
		old.release()
	}
	return rec
}
