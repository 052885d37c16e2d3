package soma

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"
)

const (
	readBuffer = 256 << 10
	blockSize  = 256 << 10
	blocks     = 4
)

// File describes a file that was received.
type File struct {
	Size   int64
	SHA256 string    // lower-case hex
	Time   time.Time // the device's clock when it answered; zero: not told
}

// decoded are blocks of decoded text. Each file that is being received uses [blocks] of them.
var decoded = sync.Pool{New: func() any {
	b := make([]byte, 0, blockSize+readBuffer)
	return &b
}}

// fileSink receives the text of a reply's file. It decodes on the caller's goroutine while another one hashes and writes.
type fileSink struct {
	text     *bufio.Reader // the reply
	w        io.Writer
	max      int64 // bytes; 0: no bound
	progress func(int64)
	size     int64
	sum      hash.Hash
	head     []byte // beginning of the text, to recognise ERROR
}

func newFileSink(w io.Writer, max int64, progress func(int64)) *fileSink {
	return &fileSink{w: w, max: max, progress: progress, sum: sha256.New()}
}

func (f *fileSink) file(r *reply) *File {
	return &File{Size: f.size, SHA256: hex.EncodeToString(f.sum.Sum(nil)), Time: r.time()}
}

// take reads base64 text up to the next tag, which it leaves unread.
func (f *fileSink) take(op string) error {
	d := decoding{sink: f, block: decoded.Get().(*[]byte)}
	err := d.decode(op, f.text)
	if sinkErr := d.end(); sinkErr != nil {
		return &Error{Op: op, Class: Sink, Text: "the file cannot be written: " + printable(sinkErr.Error()), cause: sinkErr}
	}
	return err
}

// put hashes and writes a block.
func (f *fileSink) put(b []byte) error {
	f.sum.Write(b)
	if _, err := f.w.Write(b); err != nil {
		return err
	}
	f.size += int64(len(b))
	if f.progress != nil {
		f.progress(f.size)
	}
	return nil
}

// decoding fills blocks. The first full block starts a writer in parallel. A file that fits into one block needs no writer.
type decoding struct {
	sink       *fileSink
	block      *[]byte
	full, free chan *[]byte // nil: no writer
	failed     chan struct{}
	done       chan struct{}
	err        error // error of the sink; until it is done it belongs to the writer
}

func (d *decoding) startWriter() {
	d.full, d.free = make(chan *[]byte, blocks), make(chan *[]byte, blocks)
	d.failed, d.done = make(chan struct{}), make(chan struct{})
	for range blocks - 1 {
		d.free <- decoded.Get().(*[]byte)
	}
	go func() {
		defer close(d.done)
		for b := range d.full {
			if d.err == nil {
				if d.err = d.sink.put(*b); d.err != nil {
					close(d.failed)
				}
			}
			*b = (*b)[:0]
			d.free <- b
		}
	}()
}

// next passes a full block to the writer and takes an empty one. It returns false if the writer has failed.
func (d *decoding) next() bool {
	if d.full == nil {
		d.startWriter()
	}
	d.full <- d.block
	d.block = nil
	select {
	case <-d.failed:
		return false
	default:
		d.block = <-d.free
		return true
	}
}

// end writes the last block, waits for the writer and gives the blocks back.
func (d *decoding) end() error {
	if d.full == nil {
		d.err = d.sink.put(*d.block)
	} else {
		if d.block != nil {
			d.full <- d.block
		}
		close(d.full)
		<-d.done
		close(d.free)
		for b := range d.free {
			decoded.Put(b)
		}
		return d.err
	}
	*d.block = (*d.block)[:0]
	decoded.Put(d.block)
	return d.err
}

func (d *decoding) decode(op string, r *bufio.Reader) error {
	var digits base64Decoder
	var total int64
	f := d.sink
	for {
		if _, err := r.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		text, _ := r.Peek(r.Buffered())
		end := bytes.IndexByte(text, '<')
		if end >= 0 {
			text = text[:end]
		}
		f.keepHead(text)
		before := len(*d.block)
		var err error
		*d.block, err = digits.decode(*d.block, text)
		total += int64(len(*d.block) - before)
		if _, discard := r.Discard(len(text)); err == nil {
			err = discard
		}
		if err == nil && f.max > 0 && total > f.max {
			return &Error{Op: op, Class: TooLarge, Text: fmt.Sprintf("the file has more than the %d bytes allowed", f.max)}
		}
		if err != nil || end >= 0 {
			if err == nil {
				err = digits.finish()
			}
			return f.textError(op, err)
		}
		if len(*d.block) >= blockSize && !d.next() {
			return nil // the rest is useless; end returns the reason
		}
	}
}

func (f *fileSink) keepHead(text []byte) {
	if room := 16 - len(f.head); room > 0 {
		text = bytes.TrimSpace(text[:min(len(text), 64)])
		f.head = append(f.head, text[:min(len(text), room)]...)
	}
}

func (f *fileSink) textError(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case string(f.head) == "ERROR": // five digits: never a whole base64 text
		return &Error{Op: op, Class: ErrorFile, Text: "the device answered with the word ERROR instead of a file", cause: err}
	case errors.Is(err, errCutBase64):
		return &Error{Op: op, Class: CutFile, Text: "the file is cut short: " + err.Error(), cause: err}
	default:
		return &Error{Op: op, Class: NotBase64, Text: "the file cannot be decoded: " + err.Error(), cause: err}
	}
}
