package sftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Packet types of SFTP version 3.
const (
	typeInit          = 1
	typeVersion       = 2
	typeRealPath      = 16
	typeExtended      = 200
	typeExtendedReply = 201
)

// maxPacket is the longest packet, in bytes, that a server may send while the session is opened.
const maxPacket = 256 << 10

// wire is the layer between the SSH channel and the SFTP library. The library
// knows neither which requests a server leaves unanswered nor the server's limits.
type wire struct {
	ch   ssh.Channel
	in   io.Reader // the replayed answer to INIT, then the channel
	skip int       // bytes of the library's own INIT that must still be dropped

	sent, received framer

	mu         sync.Mutex
	now        func() time.Time
	heard      time.Time           // the server's last byte
	moved      time.Time           // the last time that a request made progress
	unanswered map[uint32]struct{} // without requests that only keep the connection alive
	upkeep     bool                // whether the request being sent only keeps the connection alive
}

// limits are the sizes that a server says it accepts; zero: not told.
type limits struct{ read, write uint64 }

// openWire starts SFTP on a channel and asks the server for its limits.
func openWire(ch ssh.Channel, now func() time.Time) (*wire, limits, error) {
	init := []byte{0, 0, 0, 5, typeInit, 0, 0, 0, 3}
	_, _ = ch.Write(init) // a login that has ended may still have said why
	version, err := readVersion(ch)
	if err != nil {
		return nil, limits{}, err
	}
	var l limits
	if bytes.Contains(version, []byte(extLimits)) {
		if l, err = askLimits(ch); err != nil {
			return nil, limits{}, err
		}
	}
	w := &wire{
		ch: ch, in: io.MultiReader(bytes.NewReader(version), ch), skip: len(init), now: now,
		heard: now(), unanswered: map[uint32]struct{}{},
	}
	return w, l, nil
}

// talkError says that a login leads to something other than SFTP.
type talkError struct{ said string }

func (e *talkError) Error() string { return fmt.Sprintf("the login prints text: %q", e.said) }

// readVersion reads the server's first packet, with its length.
func readVersion(ch ssh.Channel) ([]byte, error) {
	head := make([]byte, 5)
	n, err := io.ReadFull(ch, head)
	length := binary.BigEndian.Uint32(head)
	if err == nil && head[4] == typeVersion && length >= 5 && length <= maxPacket {
		packet := append(head, make([]byte, length-1)...)
		_, err = io.ReadFull(ch, packet[5:])
		return packet, err
	}
	if n == 0 {
		return nil, err
	}
	rest := make([]byte, 200)
	more, _ := ch.Read(rest) // what is there already is enough to recognise it
	return nil, &talkError{strings.TrimSpace(string(head[:n]) + string(rest[:more]))}
}

// askLimits sends limits@openssh.com. If a server offers that extension but refuses, its limits are unknown.
func askLimits(ch ssh.Channel) (limits, error) {
	request := binary.BigEndian.AppendUint32(nil, uint32(1+4+4+len(extLimits)))
	request = append(request, typeExtended, 0, 0, 0, 0)
	request = binary.BigEndian.AppendUint32(request, uint32(len(extLimits)))
	if _, err := ch.Write(append(request, extLimits...)); err != nil {
		return limits{}, err
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(ch, head); err != nil {
		return limits{}, err
	}
	length := binary.BigEndian.Uint32(head)
	if length < 5 || length > maxPacket {
		return limits{}, errors.New("the answer to " + extLimits + " cannot be read")
	}
	body := make([]byte, length-1)
	if _, err := io.ReadFull(ch, body); err != nil {
		return limits{}, err
	}
	// id, max-packet-length, max-read-length, max-write-length, max-open-handles
	if head[4] != typeExtendedReply || len(body) < 4+3*8 {
		return limits{}, nil
	}
	return limits{read: binary.BigEndian.Uint64(body[12:]), write: binary.BigEndian.Uint64(body[20:])}, nil
}

// Read implements [io.Reader] for the SFTP library.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if n > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard = w.now()
		w.received.feed(p[:n], func(typ byte, id uint32) {
			if _, ok := w.unanswered[id]; ok && typ != typeVersion {
				delete(w.unanswered, id)
				w.moved = w.heard
			}
		})
	}
	return n, err
}

// Write implements [io.Writer] for the SFTP library, which sends one packet after the other.
func (w *wire) Write(p []byte) (int, error) {
	dropped := min(w.skip, len(p))
	w.skip -= dropped
	if dropped == len(p) {
		return len(p), nil
	}
	w.mu.Lock()
	w.sent.feed(p[dropped:], func(typ byte, id uint32) {
		if w.upkeep = typ == typeRealPath; !w.upkeep {
			w.unanswered[id] = struct{}{}
			w.moved = w.now()
		}
	})
	upkeep := w.upkeep
	w.mu.Unlock()
	n, err := w.ch.Write(p[dropped:])
	if err == nil && !upkeep { // the server accepts the data
		w.mu.Lock()
		w.moved = w.now()
		w.mu.Unlock()
	}
	return dropped + n, err
}

// Close implements [io.Closer].
func (w *wire) Close() error { return w.ch.Close() }

// silent returns how long the server has said nothing.
func (w *wire) silent() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now().Sub(w.heard)
}

// waiting returns how long no request has made progress; zero: all are answered.
func (w *wire) waiting() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.unanswered) == 0 {
		return 0
	}
	return w.now().Sub(w.moved)
}

// framer finds the packets in a stream.
type framer struct {
	head [9]byte // length, type, id
	have int
	rest int64 // bytes of the packet after its head
}

func (f *framer) feed(p []byte, packet func(typ byte, id uint32)) {
	for len(p) > 0 {
		if f.rest > 0 {
			n := min(f.rest, int64(len(p)))
			f.rest -= n
			p = p[n:]
			continue
		}
		n := copy(f.head[f.have:], p)
		f.have += n
		p = p[n:]
		if f.have < len(f.head) {
			return
		}
		packet(f.head[4], binary.BigEndian.Uint32(f.head[5:]))
		f.rest, f.have = int64(binary.BigEndian.Uint32(f.head[:]))-5, 0
	}
}
