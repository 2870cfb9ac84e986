package ninep

import (
	"context"
	"io"
	"strings"
	"sync"
)

// maxXattr bounds an attribute's value and the list of names, as Linux does.
const maxXattr = 64 << 10

// either finds an optional interface of an open file: its handle's before its
// node's.
func either[T any](v view) (T, bool) {
	if t, ok := v.handle.(T); ok {
		return t, true
	}
	t, ok := v.place.node.(T)
	return t, ok
}

// xattrWalk makes a fid from which an attribute's value can be read, or the list
// of names if name is empty: each ends with a NUL, as listxattr(2) has them.
func (c *conn) xattrWalk(r *request, m *tXattrwalk) (message, error) {
	v, err := c.use(r, m.fid)
	if err != nil {
		return nil, err
	}
	defer c.release(r, v.fid)
	var value []byte
	if m.name == "" {
		value, err = listXattrs(r, v)
	} else if x, ok := either[XattrReader](v); ok {
		value, err = x.Xattr(r, m.name)
	} else {
		err = ENOTSUP
	}
	if err != nil {
		return nil, err
	}
	f := newFid(v.place)
	f.handle, f.busy = bytesHandle(value), true
	return &rXattrwalk{uint64(len(value))}, c.insert(m.newFid, f)
}

func listXattrs(ctx context.Context, v view) ([]byte, error) {
	x, ok := either[XattrLister](v)
	if !ok {
		return nil, nil
	}
	names, err := x.Xattrs(ctx)
	var list []byte
	for _, n := range names {
		list = append(append(list, n...), 0)
	}
	return list, err
}

// bytesHandle reads from memory.
type bytesHandle []byte

func (b bytesHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	if offset >= int64(len(b)) {
		return 0, io.EOF
	}
	return copy(p, b[offset:]), nil
}

func (b bytesHandle) Close() error { return nil }

// xattrCreate makes a fid one to which an attribute's value is written. The value
// takes effect when the fid is clunked, and only if all of it was written.
func (c *conn) xattrCreate(v view, m *tXattrcreate) (message, error) {
	x, ok := either[XattrWriter](v)
	switch {
	case !ok:
		return nil, ENOTSUP
	case m.name == "" || strings.Contains(m.name, "\x00"):
		return nil, EINVAL
	case len(m.name) > maxName || m.size > maxXattr:
		return nil, ERANGE
	}
	if err := c.opening(v.fid); err != nil {
		return nil, err
	}
	h := &xattrHandle{to: x, name: m.name, flags: m.flags, size: int(m.size)}
	c.opened(v.fid, v.place, h, WriteOnly)
	return &rEmpty{kindTxattrcreate + 1}, nil
}

type xattrHandle struct {
	to    XattrWriter
	name  string
	flags uint32
	size  int

	mu    sync.Mutex
	value []byte
}

func (h *xattrHandle) Close() error { return nil }

func (h *xattrHandle) WriteAt(_ context.Context, p []byte, offset int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if offset != int64(len(h.value)) {
		return 0, ESPIPE
	}
	if len(h.value)+len(p) > h.size {
		return 0, ENOSPC
	}
	h.value = append(h.value, p...)
	return len(p), nil
}

// commit is what Tclunk means for such a fid. Linux removes an attribute by
// replacing it with nothing.
func (h *xattrHandle) commit(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(h.value) != h.size:
		return EINVAL
	case h.size == 0 && h.flags&XattrReplace != 0:
		return h.to.RemoveXattr(ctx, h.name)
	}
	return h.to.SetXattr(ctx, h.name, h.value, h.flags)
}

// clunkFid is clunk for the message, which also makes xattr values take effect.
func (c *conn) clunkFid(r *request, m *tClunk) (message, error) {
	v, err := c.use(r, m.fid)
	if err != nil {
		return nil, err
	}
	if h, ok := v.handle.(*xattrHandle); ok {
		err = h.commit(r)
	} else if v.fid.removal {
		isDir := v.place.node.Qid().Type&QidDir != 0
		err = c.unlink(r, v.place.parent, v.place.name, isDir)
	}
	c.release(r, v.fid)
	if cerr := c.clunk(r, m.fid); err == nil {
		err = cerr
	}
	return &rEmpty{kindTclunk + 1}, err
}
