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
	Time   time.Time // the device's clock when it answered; zero if it did not say
}

// decoded are blocks of decoded text, [blocks] for each file that is being received.
var decoded = sync.Pool{New: func() any {
	b := make([]byte, 0, blockSize+readBuffer)
	return &b
}}

// fileSink takes the text of a reply's file: it decodes on the caller's goroutine while another one hashes and writes.
type fileSink struct {
	text     *bufio.Reader // what the reply is read from
	w        io.Writer
	max      int64 // bytes; 0: no bound
	progress func(int64)
	size     int64
	sum      hash.Hash
	head     []byte // start of the text, to recognise ERROR
}

func newFileSink(w io.Writer, max int64, progress func(int64)) *fileSink {
	return &fileSink{w: w, max: max, progress: progress, sum: sha256.New()}
}

func (f *fileSink) file(r *reply) *File {
	return &File{Size: f.size, SHA256: hex.EncodeToString(f.sum.Sum(nil)), Time: r.time()}
}

// take reads base64 text up to the next tag, which it leaves unread.
func (f *fileSink) take(op string, r *bufio.Reader) error {
	full, free := make(chan []byte, blocks), make(chan []byte, blocks)
	for range blocks {
		block := decoded.Get().(*[]byte)
		defer decoded.Put(block) // when it is no longer in a channel
		free <- (*block)[:0]
	}
	var sinkErr error
	done, failed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for b := range full {
			if sinkErr == nil {
				f.sum.Write(b)
				if _, sinkErr = f.w.Write(b); sinkErr != nil {
					close(failed)
				}
				f.size += int64(len(b))
				if f.progress != nil {
					f.progress(f.size)
				}
			}
			free <- b[:0]
		}
	}()
	err := f.decode(op, r, full, free, failed)
	close(full)
	<-done
	if sinkErr != nil {
		return &Error{Op: op, Class: Sink, Text: "the file cannot be written: " + printable(sinkErr.Error()), cause: sinkErr}
	}
	return err
}

func (f *fileSink) decode(op string, r *bufio.Reader, full chan<- []byte, free <-chan []byte, failed <-chan struct{}) error {
	var d base64Decoder
	var total int64
	block := <-free
	for {
		if _, err := r.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			full <- block
			return err
		}
		text, _ := r.Peek(r.Buffered())
		end := bytes.IndexByte(text, '<')
		if end >= 0 {
			text = text[:end]
		}
		f.keepHead(text)
		before := len(block)
		var err error
		block, err = d.decode(block, text)
		total += int64(len(block) - before)
		if _, discard := r.Discard(len(text)); err == nil {
			err = discard
		}
		if err == nil && f.max > 0 && total > f.max {
			return &Error{Op: op, Class: TooLarge, Text: fmt.Sprintf("the file has more than the %d bytes allowed", f.max)}
		}
		if err != nil || end >= 0 {
			full <- block
			if err == nil {
				err = d.finish()
			}
			return f.textError(op, err)
		}
		if len(block) >= blockSize {
			full <- block
			select {
			case <-failed:
				return nil // the rest is of no use; take knows why
			default:
				block = <-free
			}
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
