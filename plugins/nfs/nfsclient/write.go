package nfsclient

import (
	"context"
	"errors"
	"io"
)

// sentBlock is a WRITE under way.
type sentBlock struct {
	call   *call
	data   []byte
	offset uint64
}

// WriteFrom writes the content of r from the file's position on, and returns
// how many bytes the server acknowledged. As many WRITEs are under way at once
// as the window allows. Nothing is durable before Commit. After an error the
// file may have holes: remove it, or write it again from its start.
func (f *File) WriteFrom(ctx context.Context, r io.Reader) (int64, error) {
	w := &writer{file: f, buffers: newRing(f.fs.window+1, f.fs.writeSize)}
	n, err := w.run(ctx, r)
	return n, opError("write", f.path, err)
}

// writer is one WriteFrom.
type writer struct {
	file    *File
	buffers *ring
	sent    []sentBlock // oldest first
	acked   int64
}

func (w *writer) run(ctx context.Context, r io.Reader) (int64, error) {
	defer w.dropAll()
	for {
		if len(w.sent) == w.file.fs.window {
			if err := w.settle(ctx); err != nil {
				return w.acked, err
			}
		}
		buf := w.buffers.get()
		n, readErr := io.ReadFull(r, buf)
		if n > 0 {
			if err := w.send(ctx, buf[:n]); err != nil {
				return w.acked, err
			}
		}
		switch {
		case errors.Is(readErr, io.EOF), errors.Is(readErr, io.ErrUnexpectedEOF):
			return w.acked, w.settleAll(ctx)
		case readErr != nil:
			return w.acked, readErr
		}
	}
}

func (w *writer) send(ctx context.Context, data []byte) error {
	f := w.file
	k, err := f.fs.nfs.start(ctx, writeRequest(f.h, f.offset, data))
	if err != nil {
		return err
	}
	w.sent = append(w.sent, sentBlock{call: k, data: data, offset: f.offset})
	f.offset += uint64(len(data))
	return nil
}

// settle waits for the oldest WRITE. It sends again what the server did not
// accept of it, and a block that the server wants to get later.
func (w *writer) settle(ctx context.Context) error {
	b := w.sent[0]
	w.sent = w.sent[:copy(w.sent, w.sent[1:])]
	res, err := b.wait(ctx)
	for rest := b.data; ; {
		switch {
		case errors.Is(err, ErrJukebox):
			res, err = w.rewrite(ctx, b.offset, rest)
			continue
		case err != nil:
			return err
		case res.count == 0 && len(rest) > 0:
			return ErrNoProgress
		}
		w.took(res)
		rest = rest[res.count:]
		b.offset += uint64(res.count)
		if len(rest) == 0 {
			return nil
		}
		res, err = w.rewrite(ctx, b.offset, rest)
	}
}

func (w *writer) took(res written) {
	w.file.sawVerifier(res.verf)
	w.acked += int64(res.count)
}

// wait returns the result of the WRITE.
func (b sentBlock) wait(ctx context.Context) (res written, err error) {
	err = b.call.finish(ctx, func(d *decoder) (err error) {
		res, err = decodeWritten(d, len(b.data))
		return err
	})
	return res, err
}

// rewrite writes data at offset on its own, outside the window.
func (w *writer) rewrite(ctx context.Context, offset uint64, data []byte) (res written, err error) {
	err = w.file.fs.nfs.roundTrip(ctx, writeRequest(w.file.h, offset, data), func(d *decoder) (err error) {
		res, err = decodeWritten(d, len(data))
		return err
	})
	return res, err
}

func (w *writer) settleAll(ctx context.Context) error {
	for len(w.sent) > 0 {
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) dropAll() {
	for _, b := range w.sent {
		b.call.drop()
	}
}

// ring hands out the same buffers in turn. It has one more buffer than the
// window is wide, so the next buffer never belongs to a WRITE under way.
type ring struct {
	size    int
	next    int
	buffers [][]byte
}

func newRing(n, size int) *ring { return &ring{size: size, buffers: make([][]byte, n)} }

func (r *ring) get() []byte {
	i := r.next
	r.next = (r.next + 1) % len(r.buffers)
	if r.buffers[i] == nil {
		r.buffers[i] = make([]byte, r.size)
	}
	return r.buffers[i]
}
