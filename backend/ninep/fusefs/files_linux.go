package fusefs

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// handle is an open file or directory.
type handle struct {
	node   uint64
	file   *ninep.File
	append bool

	mu      sync.Mutex
	entries []ninep.Dirent // of a directory, from the last time it was read from the start
	last    []byte         // the last piece that was read, and where it was
	lastAt  int64
}

// open gives a node's file a fid of its own and opens that.
func (b *bridge) open(cancel <-chan struct{}, id uint64, flags ninep.OpenFlags, out *fuse.OpenOut) fuse.Status {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(id)
	defer done()
	if n == nil {
		return stale
	}
	f, err := f.Walk(ctx)
	if err != nil {
		return status(err)
	}
	if err := f.Open(ctx, flags); err != nil {
		b.closer.add(f)
		return status(err)
	}
	out.Fh = b.hold(&handle{node: id, file: f, append: flags&ninep.Append != 0})
	return fuse.OK
}

func (b *bridge) hold(h *handle) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastFh++
	b.handles[b.lastFh] = h
	return b.lastFh
}

func (b *bridge) handle(fh uint64) *handle {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handles[fh]
}

// release closes the fid at once: for some files closing means something.
func (b *bridge) release(fh uint64) {
	b.mu.Lock()
	h := b.handles[fh]
	delete(b.handles, fh)
	b.mu.Unlock()
	if h != nil {
		_ = h.file.Close() // nobody can be told
	}
}

// flags are those that mean something to a server.
func flags(in uint32) ninep.OpenFlags {
	return ninep.OpenFlags(in) & (3 | ninep.Create | ninep.Exclusive | ninep.Truncate | ninep.Append)
}

// Open implements fuse.RawFileSystem.
func (b *bridge) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return b.open(cancel, in.NodeId, flags(in.Flags)&^(ninep.Create|ninep.Exclusive), out)
}

// Create implements fuse.RawFileSystem.
func (b *bridge) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	var f *ninep.File
	flags := flags(in.Flags)
	st := b.change(cancel, in.NodeId, name, &out.EntryOut, func(ctx context.Context, dir *ninep.File) (err error) {
		if f, err = dir.Walk(ctx); err != nil {
			return err
		}
		return f.Create(ctx, name, flags, in.Mode&0o7777)
	})
	if st != fuse.OK {
		if f != nil {
			b.closer.add(f)
		}
		return st
	}
	out.OpenOut.OpenFlags = fuse.FOPEN_DIRECT_IO
	out.Fh = b.hold(&handle{node: out.NodeId, file: f, append: flags&ninep.Append != 0})
	return fuse.OK
}

// Read reads once. A stream refuses to go back; what was read last is kept, so that
// a reader that took more than a line can.
func (b *bridge) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	h := b.handle(in.Fh)
	if h == nil {
		return nil, fuse.EBADF
	}
	offset := int64(in.Offset)
	ctx := interruptible(cancel)
	n, err := h.file.ReadAt(ctx, buf, offset)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		h.remember(buf[:n], offset)
	case errors.Is(err, ninep.ESPIPE):
		if again := h.again(buf, offset); again > 0 {
			n, err = again, nil
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.learn(ctx, h, err)
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// keptPiece bounds what a handle remembers: shells read less at a time.
const keptPiece = 4096

func (h *handle) remember(p []byte, offset int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cut := len(p) - keptPiece; cut > 0 {
		p, offset = p[cut:], offset+int64(cut)
	}
	h.last, h.lastAt = append(h.last[:0], p...), offset
}

func (h *handle) again(p []byte, offset int64) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if offset < h.lastAt || offset >= h.lastAt+int64(len(h.last)) {
		return 0
	}
	return copy(p, h.last[offset-h.lastAt:])
}

// Write implements fuse.RawFileSystem.
func (b *bridge) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	h := b.handle(in.Fh)
	if h == nil {
		return 0, fuse.EBADF
	}
	ctx, stop := steady(cancel)
	defer stop()
	offset := int64(in.Offset)
	if h.append { // the kernel does not know how long the file is now
		a, err := h.file.Attr(ctx)
		if err != nil {
			return 0, status(err)
		}
		offset = int64(a.Size)
	}
	n, err := h.file.WriteAt(ctx, data, offset)
	b.learn(ctx, h, err)
	if err != nil && n == 0 {
		return 0, status(err)
	}
	return uint32(n), fuse.OK
}

// learn keeps the reason of an error for who asks for ErrorXattr, or forgets it
// after success.
func (b *bridge) learn(ctx context.Context, h *handle, failure error) {
	var reason []byte
	if errors.As(failure, new(ninep.Errno)) {
		if text, err := h.file.Xattr(ctx, ErrorXattr); err == nil {
			reason = text
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.nodes[h.node]; n != nil {
		n.reason = reason
	}
}

// Flush has nothing to do: writes have been answered.
func (b *bridge) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// Fsync implements fuse.RawFileSystem.
func (b *bridge) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	h := b.handle(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	ctx, stop := steady(cancel)
	defer stop()
	err := h.file.Sync(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return fuse.OK
	}
	return status(err)
}

// Release implements fuse.RawFileSystem.
func (b *bridge) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { b.release(in.Fh) }
