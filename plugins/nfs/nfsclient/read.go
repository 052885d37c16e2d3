package nfsclient

import (
	"context"
	"errors"
	"io"
)

// askedBlock is a READ under way.
type askedBlock struct {
	call   *call
	offset uint64
	count  int
}

// WriteTo reads from the file's position to its end and writes the bytes to w,
// in order, with as many READs under way at once as the window allows. It
// returns the number of bytes written to w.
func (f *File) WriteTo(ctx context.Context, w io.Writer) (int64, error) {
	r := &reader{file: f, next: f.offset}
	n, err := r.run(ctx, w)
	return n, opError("read", f.path, err)
}

// reader is one WriteTo.
type reader struct {
	file  *File
	asked []askedBlock // oldest first
	next  uint64       // where the next READ starts
}

func (r *reader) run(ctx context.Context, w io.Writer) (int64, error) {
	defer func() {
		for _, b := range r.asked {
			b.call.drop()
		}
	}()
	// The size only bounds how far ahead is asked. The server decides where the file ends.
	a, err := r.file.fs.nfs.getAttr(ctx, r.file.h)
	if err != nil {
		return 0, err
	}
	var total int64
	for {
		if err := r.fill(ctx, a.Size); err != nil {
			return total, err
		}
		b := r.asked[0]
		r.asked = r.asked[:copy(r.asked, r.asked[1:])]
		n, eof, err := r.settle(ctx, b, w)
		total += n
		r.file.offset += uint64(n)
		if err != nil || eof {
			return total, err
		}
	}
}

// fill asks for blocks until the window is full or the end is reached, and for at least one block.
func (r *reader) fill(ctx context.Context, size uint64) error {
	f := r.file
	for len(r.asked) == 0 || len(r.asked) < f.fs.window && r.next < size {
		k, err := f.fs.nfs.start(ctx, readRequest(f.h, r.next, f.fs.readSize))
		if err != nil {
			return err
		}
		r.asked = append(r.asked, askedBlock{call: k, offset: r.next, count: f.fs.readSize})
		r.next += uint64(f.fs.readSize)
	}
	return nil
}

// settle waits for a block and passes it on. It asks again for what the server
// left out of the block.
func (r *reader) settle(ctx context.Context, b askedBlock, w io.Writer) (total int64, eof bool, err error) {
	pass := func(d *decoder) error {
		data, end, err := decodeRead(d, b.count)
		if err != nil {
			return err
		}
		if len(data) == 0 && !end {
			return &ProtocolError{"a read of no bytes before the end of the file"}
		}
		n, err := w.Write(data)
		total += int64(n)
		b.offset += uint64(n)
		b.count -= n
		eof = end
		return err
	}
	err = b.call.finish(ctx, pass)
	for errors.Is(err, ErrJukebox) || err == nil && !eof && b.count > 0 {
		err = r.file.fs.nfs.roundTrip(ctx, readRequest(r.file.h, b.offset, b.count), pass)
	}
	return total, eof, err
}
