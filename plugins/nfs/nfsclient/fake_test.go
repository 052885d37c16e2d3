package nfsclient

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// fakeServer answers MOUNT and NFS calls for an export that holds one file, on
// one port, and misbehaves as its script says.
type fakeServer struct {
	port   int
	script func(call fakeCall) *misbehaviour // nil result: behave

	mapped  map[uint32]uint32 // ports that its portmapper knows, by program
	flavors []uint32          // that its export lists
	most    uint32            // bytes of a READ or WRITE: more is refused; zero: no limit

	mu    sync.Mutex
	data  []byte
	verf  verifier
	calls map[uint32]int // of NFS, by procedure

	tooLarge int // READs and WRITEs beyond the limit
}

// fakeCall is a call that arrived, the n-th of its procedure, counted from 1.
type fakeCall struct {
	proc uint32
	n    int
}

// misbehaviour replaces the answer to a call; the zero value changes nothing.
type misbehaviour struct {
	status    Status // answered, without more
	raw       []byte // sent as it is
	hangUp    bool   // the connection ends
	shorten   int    // of WRITE and READ: bytes left out
	newVerf   bool   // the server's life changes before the answer
	rpcDenied bool
	silent    bool
}

func newFakeServer(t *testing.T, script func(fakeCall) *misbehaviour) *fakeServer {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	s := &fakeServer{port: l.Addr().(*net.TCPAddr).Port, script: script, calls: map[uint32]int{}, flavors: []uint32{authSys}}
	var (
		wg    sync.WaitGroup
		conns sync.Map
	)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(c, true)
			wg.Go(func() {
				defer c.Close()
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return s
}

func (s *fakeServer) mount(t *testing.T, change func(*Options)) *FS {
	t.Helper()
	o := Options{Server: "127.0.0.1", Export: "/e", NFSPort: s.port, MountPort: s.port, WriteSize: 4096, ReadSize: 4096, Window: 4, CallTimeout: 10 * time.Second}
	if change != nil {
		change(&o)
	}
	f := need.Value(Mount(t.Context(), o))(t)
	t.Cleanup(func() { f.Close() })
	return f
}

func (s *fakeServer) count(proc uint32) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[proc]
}

func (s *fakeServer) serve(c net.Conn) {
	for {
		var mark [4]byte
		if _, err := io.ReadFull(c, mark[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(mark[:])&^lastFragment)
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		out, err := s.answer(body)
		if err != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func record32(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))|lastFragment), body...)
}

func (s *fakeServer) answer(body []byte) ([]byte, error) {
	d := &decoder{b: body}
	xid := d.u32()
	d.take(8) // CALL, version 2
	prog := d.u32()
	d.u32()
	proc := d.u32()
	for range 2 {
		d.u32()
		d.opaque(maxAuthBytes)
	}
	reply := &encoder{}
	reply.u32(xid)
	reply.u32(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &misbehaviour{}
	if prog == progNFS {
		s.calls[proc]++
		if s.script != nil {
			if got := s.script(fakeCall{proc, s.calls[proc]}); got != nil {
				m = got
				switch {
				case m.hangUp:
					return nil, errors.New("hang up")
				case m.raw != nil:
					return m.raw, nil
				case m.silent:
					return nil, nil
				}
			}
		}
	}
	if m.rpcDenied {
		reply.u32(1)
		reply.u32(1)
		reply.u32(5)
		return record32(reply.b), nil
	}
	reply.u32(0)
	reply.u32(0)
	reply.u32(0)
	reply.u32(0)
	if m.newVerf {
		s.verf[0]++
	}
	if m.status != 0 {
		reply.u32(uint32(m.status))
		reply.b = append(reply.b, make([]byte, 8)...) // no attributes
		return record32(reply.b), nil
	}
	switch prog {
	case progPortmap:
		reply.u32(s.mapped[d.u32()])
	case progMount:
		s.mountReply(reply)
	default:
		s.nfsReply(reply, proc, d, m)
	}
	return record32(reply.b), nil
}

func (s *fakeServer) mountReply(e *encoder) {
	e.u32(0)
	e.opaque([]byte("root"))
	e.u32(uint32(len(s.flavors)))
	for _, f := range s.flavors {
		e.u32(f)
	}
}

func (s *fakeServer) attr(e *encoder, root bool) {
	kind := Regular
	if root {
		kind = Directory
	}
	e.u32(uint32(kind))
	e.u32(0o644)
	e.u32(1)
	e.u64(0)
	e.u64(uint64(len(s.data)))
	e.fixed(make([]byte, 84-28))
}

func (s *fakeServer) nfsReply(e *encoder, proc uint32, d *decoder, m *misbehaviour) {
	if proc == procNull {
		return
	}
	e.u32(0)
	target := string(d.opaque(maxHandle))
	switch proc {
	case procGetAttr:
		s.attr(e, target == "root")
	case procLookup:
		e.opaque([]byte("file"))
		e.u32(1)
		s.attr(e, false)
		e.u32(0)
	case procCreate:
		e.u32(1)
		e.opaque([]byte("file"))
		e.fixed(make([]byte, 12))
	case procFSInfo:
		e.u32(0)
		limit := s.most
		if limit == 0 {
			limit = 1 << 20
		}
		for range 7 {
			e.u32(limit)
		}
		e.fixed(make([]byte, 8+12))
	case procWrite:
		offset := int(d.u64())
		count := int(d.u32()) - m.shorten
		d.u32()
		data := d.opaque(maxTransfer)
		if s.most > 0 && len(data) > int(s.most) {
			s.tooLarge++
		}
		if need := offset + count; need > len(s.data) {
			s.data = append(s.data, make([]byte, need-len(s.data))...)
		}
		copy(s.data[offset:], data[:count])
		e.fixed(make([]byte, 8))
		e.u32(uint32(count))
		e.u32(unstable)
		e.fixed(s.verf[:])
	case procCommit:
		e.fixed(make([]byte, 8))
		e.fixed(s.verf[:])
	case procRead:
		offset := min(int(d.u64()), len(s.data))
		count := int(d.u32())
		if s.most > 0 && count > int(s.most) {
			s.tooLarge++
		}
		end := min(offset+count-m.shorten, len(s.data))
		e.u32(0)
		e.u32(uint32(end - offset))
		e.bool(end == len(s.data))
		e.opaque(s.data[offset:end])
	default: // REMOVE, RENAME, SETATTR
		e.fixed(make([]byte, 16))
	}
}
